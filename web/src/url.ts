/** The state of a page is in its URL: filters, order, and the open row. */
import { useMemo } from "react";
import { navigate, useSearch } from "wouter/use-browser-location";

export interface UrlState {
  /** The first value of a parameter; empty without one. */
  get(name: string): string;
  /** All values of a parameter. */
  list(name: string): string[];
  /** Replace parameters: an empty value removes one. Leaves an entry in the history of the browser if `keep` is set. */
  set(values: Record<string, string | string[]>, keep?: boolean): void;
  /** The query of this URL with other values, with its question mark. */
  with(values: Record<string, string | string[]>): string;
}

/** Return the parameters of the URL: of the browser, because the router has decoded its own once already. */
export function useUrl(): UrlState {
  const search = useSearch();
  return useMemo(() => createState(search, changeUrl), [search]);
}

/** Return the state in a query. set: shows the URL with other values. */
export function createState(search: string, set: UrlState["set"]): UrlState {
  const parameters = new URLSearchParams(search);
  return {
    get: (name) => parameters.get(name) ?? "",
    list: (name) => parameters.getAll(name),
    set,
    with: (values) => query(change(parameters, values)),
  };
}

function changeUrl(values: Record<string, string | string[]>, keep = false): void {
  navigate(location.pathname + query(change(new URLSearchParams(location.search), values)), { replace: !keep });
}

/** Return the parts of a path from a position on, decoded. The router decodes its parameters in part, and fails at a bare `%`. */
export function readPath(path: string, position: number): string {
  return path.split("/").slice(position + 1).map(decodePart).join("/");
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Return the query of parameters, with its question mark. */
export function query(parameters: URLSearchParams | Record<string, string | number | undefined>): string {
  const search =
    parameters instanceof URLSearchParams
      ? parameters
      : new URLSearchParams(Object.entries(parameters).flatMap(([key, value]) => (value === undefined || value === "" ? [] : [[key, String(value)]])));
  const text = search.toString();
  return text && `?${text}`;
}

function change(before: URLSearchParams, values: Record<string, string | string[]>): URLSearchParams {
  const after = new URLSearchParams(before);
  for (const [name, value] of Object.entries(values)) {
    after.delete(name);
    for (const each of Array.isArray(value) ? value : [value]) if (each) after.append(name, each);
  }
  return after;
}
