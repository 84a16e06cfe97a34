// Runs before the first paint: the page never shows the other theme for a moment.
type Theme = "light" | "dark";

const KEY = "strop-theme";
const root = document.documentElement;
const preferred = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null; // storage is off
  }
}

function show(theme: Theme): void {
  root.dataset.theme = theme;
}

function preference(): Theme {
  return preferred.matches ? "dark" : "light";
}

show(stored() ?? preference());
preferred.addEventListener("change", () => {
  if (!stored()) show(preference());
});

document.addEventListener("DOMContentLoaded", () => {
  document.querySelector("#theme")?.addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    show(theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // Storage is off: the choice holds for this visit.
    }
  });
});
