// Keeps what the page loads, and answers from it where there is no network.

const KEPT = "bantam-demo";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// What the page loaded before this worker was there.
self.addEventListener("message", (event) => {
  const own = event.data.filter((url) => new URL(url).origin === location.origin);
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll([...new Set(own)])).then(() => event.source.postMessage("kept")));
});

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET") {
    event.respondWith(answer(event.request));
  }
});

async function answer(request) {
  const cache = await caches.open(KEPT);
  try {
    const response = await fetch(request);
    if (response.ok) {
      await cache.put(request, response.clone());
    }
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept === undefined) {
      throw error;
    }
    return kept;
  }
}
