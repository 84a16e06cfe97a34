/** Keep the page for offline use. Browsers allow it on https and on this machine alone. */
export async function keepForOffline(): Promise<void> {
  if (!isSecureContext || !("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("sw.js");
  } catch (error) {
    console.warn("The page is not kept for offline use:", error); // it works without
  }
}
