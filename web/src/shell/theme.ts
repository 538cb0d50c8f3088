/** Light and dark: as the system has it, until a user chooses. */
const KEY = "kubekeep-theme";
const DARK = "pf-v6-theme-dark";
const system = window.matchMedia("(prefers-color-scheme: dark)");

/** Return true if the page is dark. */
export function isDark(): boolean {
  const chosen = localStorage.getItem(KEY);
  return chosen ? chosen === "dark" : system.matches;
}

/** Show the chosen theme, and follow the system without one. */
export function applyTheme(): void {
  const show = () => document.documentElement.classList.toggle(DARK, isDark());
  show();
  system.addEventListener("change", show);
}

/** Change the theme of this browser. */
export function toggleTheme(): void {
  localStorage.setItem(KEY, isDark() ? "light" : "dark");
  document.documentElement.classList.toggle(DARK, isDark());
}
