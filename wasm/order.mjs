// The order of the functions of a module. Brotli codes a byte by those just before it, so a module whose neighbours are alike
// compresses better: by 1.5 % here against the order by calls alone.

/** Functions in front have numbers of one byte: those that are called most, as `--reorder-functions` leaves them. */
const SHORT = 128;
/** Bytes of which pieces of code are compared. */
const PIECE = 4;

/** The module with names for its functions by which `wasm-opt --reorder-functions-by-name` sorts them. */
export function withNames(module) {
  const pieces = bodies(module).map(piecesOf);
  const all = [...pieces.keys()];
  const order = [...chain(all.slice(0, SHORT), pieces), ...chain(all.slice(SHORT), pieces)];
  const digits = String(order.length).length;
  const names = order.map((at, place) => [at, String(place).padStart(digits, "0")]).sort(([a], [b]) => a - b);
  const map = names.flatMap(([at, name]) => [...leb(at), ...text(name)]);
  const functionNames = [...leb(order.length), ...map];
  const section = [...text("name"), 1, ...leb(functionNames.length), ...functionNames];
  return Buffer.concat([module, Buffer.from([0, ...leb(section.length), ...section])]);
}

/** One after the other, each time the one most like the last. */
function chain([first, ...rest], pieces) {
  if (first === undefined) {
    return [];
  }
  const order = [first];
  while (rest.length > 0) {
    const last = pieces[order.at(-1)];
    const likeness = rest.map((at) => alike(last, pieces[at]));
    const best = likeness.indexOf(Math.max(...likeness));
    order.push(...rest.splice(best, 1));
  }
  return order;
}

/** What share of the pieces of two functions both have. */
function alike(a, b) {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  let both = 0;
  for (const piece of few) {
    both += many.has(piece) ? 1 : 0;
  }
  return both / (a.size + b.size - both || 1);
}

function piecesOf(body) {
  const pieces = new Set();
  for (let at = 0; at + PIECE <= body.length; at++) {
    pieces.add(body.readUInt32LE(at));
  }
  return pieces;
}

/** The code of each function. See the specification of WebAssembly, 5.5. */
function bodies(module) {
  const IMPORTS = 2;
  const CODE = 10;
  const sections = reader(module.subarray(8));
  while (!sections.ended()) {
    const id = sections.byte();
    const section = reader(sections.bytes(sections.number()));
    if (id === IMPORTS) {
      throw new Error("the module imports something: its functions would be numbered behind that");
    }
    if (id === CODE) {
      return Array.from({ length: section.number() }, () => section.bytes(section.number()));
    }
  }
  return [];
}

function reader(from) {
  let at = 0;
  return {
    ended: () => at >= from.length,
    byte: () => from[at++],
    bytes: (length) => from.subarray(at, (at += length)),
    number() {
      let value = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = from[at++];
        value |= (byte & 127) << shift;
        if (byte < 128) {
          return value >>> 0;
        }
      }
    },
  };
}

/** A number as LEB128. */
function leb(value) {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

function text(ascii) {
  return [...leb(ascii.length), ...Buffer.from(ascii)];
}
