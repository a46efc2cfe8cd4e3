// Usage: node tests/report.mjs <report.html> [screenshot.png]
// The report of `bantam shrink` in headless Chromium: it asks for nothing, says nothing on the console, shows every plot, and does not
// scroll sideways, on a desk and on a phone.

import { readFile } from "node:fs/promises";

import { launch, serve } from "./chromium.mjs";

const [report, screenshot] = process.argv.slice(2);
if (report === undefined) {
  throw new Error("usage: node tests/report.mjs <report.html> [screenshot.png]");
}
const PLOTS = [
  "plot-accuracy-bytes",
  "plot-sensitivity",
  "plot-confusion-before",
  "plot-confusion-after",
  "plot-classes",
  "plot-reliability-before",
  "plot-reliability-after",
  "plot-layer-error",
  "plot-weights-",
  "plot-activations-",
  "plot-memory",
  "plot-macs",
  "plot-bytes",
];
const WIDTHS = [360, 768, 1280];

const html = await readFile(report);
const asked = [];
const server = await serve({}, (path, response) => {
  asked.push(path);
  if (path !== "/report.html") {
    return false;
  }
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
  return true;
});
const browser = await launch();
const problems = [];
let checks = 0;
const check = (holds, problem) => {
  checks += 1;
  if (!holds) {
    problems.push(problem);
  }
};
try {
  const page = await browser.newPage();
  page.on("console", (message) => problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    await page.goto(`${server.origin}/report.html`);
    const { scrolls, wide } = await page.evaluate(() => {
      const room = document.documentElement.clientWidth;
      const beyond = [...document.querySelectorAll("body *")].filter((one) => !one.closest("svg *") && one.getBoundingClientRect().right > room + 0.5);
      return { scrolls: document.documentElement.scrollWidth > room, wide: beyond.slice(0, 3).map((one) => `${one.tagName} ${one.id}`) };
    });
    check(!scrolls, `at ${width} pixels the page scrolls sideways: ${wide.join(", ")}`);
    const figures = await page.evaluate(() =>
      [...document.querySelectorAll("figure")].map((figure) => {
        const drawing = figure.querySelector("svg");
        const box = drawing?.getBoundingClientRect();
        // Whatever is drawn lies inside the drawing.
        const view = drawing?.viewBox.baseVal;
        const content = drawing?.getBBox();
        const spills = view && (content.x < -2 || content.y < -2 || content.x + content.width > view.width + 2 || content.y + content.height > view.height + 2);
        return { id: figure.id, shown: box !== undefined && box.width > 100 && box.height > 20, marks: drawing?.querySelectorAll("rect, circle, line").length ?? 0, spills };
      }),
    );
    for (const plot of PLOTS) {
      const found = figures.filter((figure) => (plot.endsWith("-") ? figure.id.startsWith(plot) : figure.id === plot));
      check(found.length > 0, `at ${width} pixels there is no ${plot}`);
      for (const { id, shown, marks, spills } of found) {
        check(shown && marks > 0, `at ${width} pixels ${id} shows nothing`);
        check(!spills, `${id} is drawn beyond its edges`);
      }
    }
  }
  check(asked.every((path) => path === "/report.html"), `the page asked for ${asked.filter((path) => path !== "/report.html")}`);
  if (screenshot !== undefined) {
    await page.setViewportSize({ width: 1180, height: 1500 });
    await page.screenshot({ path: screenshot });
    await page.setViewportSize({ width: 360, height: 3000 });
    await page.screenshot({ path: screenshot.replace(".png", "-phone.png") });
  }
  problems.forEach((problem) => console.error(problem));
  console.log(`report in Chromium ${browser.version()}: ${checks} checks, ${problems.length} failed`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
