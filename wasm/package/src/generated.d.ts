/** What `cargo xtask web` writes into generated.js: names and texts of the format's codes. */

/** By number: the text and the names of the operands. */
export const RULES: Readonly<Record<number, readonly [string, readonly string[]]>>;
export const OPCODES: Readonly<Record<number, string>>;
export const ARITHMETICS: Readonly<Record<number, string>>;
