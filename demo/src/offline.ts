/** Keep the page for offline use. Browsers allow it on https and on this machine alone. */
export async function keepForOffline(): Promise<void> {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("sw.js");
}

/** Drop files that turned out to be damaged: the next visit loads them again. */
export async function forget(...files: readonly string[]): Promise<void> {
  if (!("caches" in globalThis)) return;
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const file of files) await cache.delete(file);
  }
}
