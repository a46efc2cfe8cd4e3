// What every project classifies: a 3, drawn with the characters of a terminal.

const DRAWING = [
  "..####..",
  ".#....#.",
  "......#.",
  "...###..",
  "......#.",
  "......#.",
  ".#....#.",
  "..####..",
];

/** Grey pixels, ink dark on white paper. */
export const picture = {
  width: 8,
  height: 8,
  data: Uint8Array.from(DRAWING.join(""), (mark) => (mark === "#" ? 10 : 255)),
};
