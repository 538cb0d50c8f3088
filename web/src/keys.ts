/** Keys of pages. They do nothing while a text is written, or with a modifier. */
type Handler = () => void;
const handlers = new Map<string, Handler[]>();

/** Run a handler when a key is pressed; the last one of a key counts. Returns the function that removes it. */
export function onKey(key: string, handler: Handler): () => void {
  if (!handlers.size) window.addEventListener("keydown", handle);
  const stack = handlers.get(key) ?? [];
  stack.push(handler);
  handlers.set(key, stack);
  return () => {
    stack.splice(stack.indexOf(handler), 1);
  };
}

export const KEYS: [string, string][] = [
  ["Ctrl K", "Search"],
  ["/", "Go to the filter of the list"],
  ["j, k", "Next and previous row"],
  ["Enter, e", "Open the row, which explains it"],
  ["Esc", "Close the panel"],
  ["t", "Light or dark"],
  ["?", "This list"],
];

function handle(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  const isSearch = (event.ctrlKey || event.metaKey) && event.key === "k";
  const isWriting = target.matches("input, select, textarea") && event.key !== "Escape";
  if (!isSearch && (isWriting || event.ctrlKey || event.metaKey || event.altKey)) return;
  if (document.querySelector("dialog[open]") && !isSearch) return;
  const handler = handlers.get(isSearch ? "search" : event.key)?.at(-1);
  if (!handler) return;
  event.preventDefault();
  handler();
}
