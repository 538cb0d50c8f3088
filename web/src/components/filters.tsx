/** Filters of a list. Their values are parameters of the URL, and chips that one can remove. */
import { useEffect, useRef, useState, type ReactNode } from "react";
import { onKey } from "../keys";
import type { UrlState } from "../url";
import { capitalize, LEVELS } from "./severity";
import { Views } from "./views";

interface Choice {
  value: string;
  label: string;
}

export interface Filter {
  /** Parameter of the URL and of the API. */
  name: string;
  label: string;
  /** Values to choose from; a text or a date without them. */
  choices?: Choice[];
  isDate?: boolean;
  /** Shown with the other filters that few people need. */
  isRare?: boolean;
  /** Several values at a time. */
  isList?: boolean;
}

const CHOICES = LEVELS.map((level) => ({ value: level, label: capitalize(level) }));
export const PRIORITY_FILTER: Filter = { name: "priority", label: "Priority", isList: true, choices: CHOICES };
/** The severity of the control or the advisory, without the context. */
export const SEVERITY_FILTER: Filter = { name: "severity", label: "Severity", isList: true, isRare: true, choices: CHOICES };
const PAUSE = 250;

/** children: other controls in the row of the filters. */
export function Filters({ url, filters, children }: { url: UrlState; filters: Filter[]; children?: ReactNode }) {
  const isText = (filter: Filter) => !filter.choices && !filter.isDate;
  const shown = [...filters.filter(isText), ...filters.filter((filter) => !isText(filter))];
  const rare = shown.filter((filter) => filter.isRare);
  const [first, ...rest] = shown.filter((filter) => !filter.isRare);
  return (
    <div className="kk-filters" role="search" aria-label="Filters">
      <div className="kk-filter-row">
        {first && <Control filter={first} url={url} isFirst />}
        {rest.map((filter) => (
          <Control key={filter.name} filter={filter} url={url} />
        ))}
        {children}
      </div>
      {rare.length > 0 && (
        <details className="kk-more">
          <summary>More filters</summary>
          <div className="kk-filter-row">
            {rare.map((filter) => (
              <Control key={filter.name} filter={filter} url={url} />
            ))}
          </div>
        </details>
      )}
      <Chips url={url} filters={filters} />
      <Views />
    </div>
  );
}

function Control({ filter, url, isFirst = false }: { filter: Filter; url: UrlState; isFirst?: boolean }) {
  if (filter.isDate) return <DateControl filter={filter} url={url} />;
  if (!filter.choices) return <TextControl filter={filter} url={url} isFirst={isFirst} />;
  const add = (value: string) => url.set({ [filter.name]: filter.isList ? [...new Set([...url.list(filter.name), value])] : value });
  return (
    <label className="kk-filter">
      <span>{filter.label}</span>
      <span className="pf-v6-c-form-control">
        <select value={filter.isList ? "" : url.get(filter.name)} onChange={(event) => add(event.target.value)}>
          <option value="">{filter.isList && url.list(filter.name).length ? "Add" : "Any"}</option>
          {filter.choices.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {choice.label}
            </option>
          ))}
        </select>
      </span>
    </label>
  );
}

function DateControl({ filter, url }: { filter: Filter; url: UrlState }) {
  return (
    <label className="kk-filter">
      <span>{filter.label}</span>
      <span className="pf-v6-c-form-control">
        <input type="date" value={url.get(filter.name)} onChange={(event) => url.set({ [filter.name]: event.target.value })} />
      </span>
    </label>
  );
}

function TextControl({ filter, url, isFirst }: { filter: Filter; url: UrlState; isFirst: boolean }) {
  const input = useRef<HTMLInputElement>(null);
  const current = url.get(filter.name);
  const [text, setText] = useState(current);
  const latest = useRef(url);
  latest.current = url;
  useEffect(() => setText(current), [current]);
  useEffect(() => {
    const timer = setTimeout(() => text !== latest.current.get(filter.name) && latest.current.set({ [filter.name]: text }), PAUSE);
    return () => clearTimeout(timer);
  }, [text, filter.name]);
  useEffect(() => (isFirst ? onKey("/", () => input.current?.focus()) : undefined), [isFirst]);
  return (
    <label className="kk-filter kk-grow">
      <span>{filter.label}</span>
      <span className="pf-v6-c-form-control">
        <input ref={input} type="search" value={text} onChange={(event) => setText(event.target.value)} />
      </span>
    </label>
  );
}

function Chips({ url, filters }: { url: UrlState; filters: Filter[] }) {
  const chips = filters.flatMap((filter) =>
    url.list(filter.name).map((value) => ({
      filter,
      value,
      label: filter.choices?.find((choice) => choice.value === value)?.label ?? value,
    })),
  );
  if (!chips.length) return null;
  const remove = (name: string, value: string) => url.set({ [name]: url.list(name).filter((each) => each !== value) });
  return (
    <ul className="kk-chips" aria-label="Active filters">
      {chips.map(({ filter, value, label }) => (
        <li key={`${filter.name} ${value}`} className="kk-chip">
          <span>
            {filter.label}: {label}
          </span>
          <button type="button" aria-label={`Remove the filter ${filter.label}: ${label}`} onClick={() => remove(filter.name, value)}>
            ✕
          </button>
        </li>
      ))}
      <li>
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => url.set(Object.fromEntries(filters.map((filter) => [filter.name, ""])))}>
          Remove all filters
        </button>
      </li>
    </ul>
  );
}

/** Return true if a filter is active. */
export function isFiltered(url: UrlState, filters: Filter[]): boolean {
  return filters.some((filter) => url.list(filter.name).length > 0);
}

/** The state of a filtered list without rows, with the filters to remove. */
export function FilteredToNothing({ url, filters }: { url: UrlState; filters: Filter[] }) {
  return (
    <div className="pf-v6-c-empty-state kk-empty">
      <h2 className="pf-v6-c-empty-state__title-text">No row has all of these properties</h2>
      <div className="pf-v6-c-empty-state__body">
        <p>Remove a filter:</p>
        <Chips url={url} filters={filters} />
      </div>
    </div>
  );
}
