import { BantamError } from "bantam-wasm";

import Answer from "./answer.jsx";

// Rendered on the server: importing the package there must be harmless.
export default function Page() {
  return (
    <main>
      <p id="server">rendered with {BantamError.name === "" ? "" : "bantam-wasm"}</p>
      <Answer />
    </main>
  );
}
