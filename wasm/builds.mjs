// The builds of the module that the package has, and the files of it that a page may fetch.

/** What each build may contain beside what all may; wasm-opt refuses a module with more, so the scalar one has no vectors in it. */
export const BUILDS = {
  scalar: [],
  simd128: ["--enable-simd"],
  fused: ["--enable-simd", "--enable-relaxed-simd"],
  relaxed: ["--enable-simd", "--enable-relaxed-simd"],
};

/** By name, in `dist/`. */
export const PAGE_FILES = ["index.js", "worker.js", "remote.js", "rules.js", ...Object.keys(BUILDS).map((build) => `bantam_${build}.wasm`)];
