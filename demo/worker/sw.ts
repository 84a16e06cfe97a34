// The service worker: after one visit the page works without a network.
const worker = self as unknown as ServiceWorkerGlobalScope;
const PAGE = `strop-page-${OFFLINE.version}`;
const EXTRA = `strop-extra-${OFFLINE.extraVersion}`; // what is loaded when asked for

worker.addEventListener("install", (event) => {
  event.waitUntil(keep().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(removeOld().then(() => worker.clients.claim()));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== worker.location.origin) return;
  event.respondWith(request.mode === "navigate" ? newest(request) : kept(request));
});

async function keep(): Promise<void> {
  const cache = await caches.open(PAGE);
  await cache.addAll(OFFLINE.files.map((file) => new Request(file, { cache: "reload" })));
}

async function removeOld(): Promise<void> {
  for (const name of await caches.keys())
    if (name.startsWith("strop-") && name !== PAGE && name !== EXTRA) await caches.delete(name);
}

/** Answer with the page from the network, or with the kept one. */
async function newest(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    return (await caches.match("./")) ?? Response.error();
  }
}

/** Answer with a kept file; keep what is new. The names change with the contents. */
async function kept(request: Request): Promise<Response> {
  const found = await caches.match(request);
  if (found) return found;
  const answer = await fetch(request);
  if (answer.ok) {
    const cache = await caches.open(EXTRA);
    await cache.put(request, answer.clone());
  }
  return answer;
}
