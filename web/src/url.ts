/** The state of a page is in its URL: filters, order, and the open row. */
import { useCallback } from "react";
import { useSearchParams } from "wouter";

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

/** Return the parameters of the URL. */
export function useUrl(): UrlState {
  const [parameters, setParameters] = useSearchParams();
  const set = useCallback(
    (values: Record<string, string | string[]>, keep = false) =>
      setParameters((before) => change(before, values), { replace: !keep }),
    [setParameters],
  );
  return {
    get: (name) => parameters.get(name) ?? "",
    list: (name) => parameters.getAll(name),
    set,
    with: (values) => query(change(parameters, values)),
  };
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
