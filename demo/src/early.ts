// Runs before the rest of the page.
import "./theme.ts";
import "./lost.ts";
