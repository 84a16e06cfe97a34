// The service worker: after one visit the page works without a network. It keeps files of this build
// alone, if they have the SHA-256 that the build wrote, and leaves all other requests to the browser.
const worker = self as unknown as ServiceWorkerGlobalScope;
const { scope } = worker.registration;
const MINE = `strop ${scope} `; // pages in other folders of the host have caches of their own
const PAGE = `${MINE}page ${OFFLINE.version}`;
const EXTRA = `${MINE}extra ${OFFLINE.extraVersion}`; // what is loaded when asked for
const DIGESTS = new Map(
  Object.entries({ ...OFFLINE.files, ...OFFLINE.extra }).map(([file, sha256]) => [
    new URL(file, scope).href,
    sha256,
  ]),
);
const PAGES = ["./", "index.html"].map((name) => new URL(name, scope).href);

worker.addEventListener("install", (event) => {
  event.waitUntil(keepPage().then(() => worker.skipWaiting()));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(removeOld().then(() => worker.clients.claim()));
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const [address = ""] = request.url.split(/[?#]/);
  if (request.mode === "navigate") {
    if (PAGES.includes(address)) event.respondWith(newest(request));
  } else if (DIGESTS.has(address)) event.respondWith(kept(event, address));
});

/** Keep all files that one needs to draw, or none. */
async function keepPage(): Promise<void> {
  const files = Object.keys(OFFLINE.files).map((file) => new URL(file, scope).href);
  const answers = await Promise.all(
    files.map(async (file) => verified(await fetch(file, { cache: "reload" }), file)),
  );
  const cache = await caches.open(PAGE);
  for (const [i, file] of files.entries()) await cache.put(file, answers[i] as Response);
}

async function removeOld(): Promise<void> {
  for (const name of await caches.keys())
    if (name.startsWith(MINE) && name !== PAGE && name !== EXTRA) await caches.delete(name);
}

/** Answer with the page from the network, or with the kept one. */
async function newest(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    const cache = await caches.open(PAGE);
    return (await cache.match("./")) ?? Response.error();
  }
}

/** Answer with a kept file, or from the network; then keep it for the next time. */
async function kept(event: FetchEvent, file: string): Promise<Response> {
  for (const cacheName of [PAGE, EXTRA]) {
    const found = await caches.match(file, { cacheName });
    if (found) return found;
  }
  // Not from the browser's own cache, which would give a damaged file again.
  const answer = await fetch(event.request, { cache: "no-store" });
  // If it is damaged or there is no room, the page still has its answer.
  event.waitUntil(keepExtra(answer.clone(), file).catch(() => {}));
  return answer;
}

async function keepExtra(answer: Response, file: string): Promise<void> {
  const whole = await verified(answer, file);
  const cache = await caches.open(EXTRA);
  await cache.put(file, whole);
}

/** Return an answer that is whole and undamaged, or throw. */
async function verified(answer: Response, file: string): Promise<Response> {
  const digest = await crypto.subtle.digest("SHA-256", await answer.clone().arrayBuffer());
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  if (!answer.ok || hex.join("") !== DIGESTS.get(file)) throw new Error(`${file} is damaged`);
  return answer;
}
