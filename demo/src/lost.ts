// Tell the user if the page's script does not arrive or is not understood: it cannot say so itself.
addEventListener(
  "error",
  ({ target }) => {
    if (target !== window && !(target instanceof HTMLScriptElement)) return;
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", tell);
    else tell();
  },
  { capture: true },
);

function tell(): void {
  const { dataset } = document.documentElement;
  const message = document.querySelector("#message");
  if (dataset.ready || !message) return; // the script speaks for itself
  dataset.ready = "false";
  message.textContent = "A part of this page did not load. Reload the page.";
}
