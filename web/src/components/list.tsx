/**
 * A list of any length: rows are read in pages as they come into view, and only those in view are in the document.
 * Keys: j and k move, Enter and e open.
 */
import { infiniteQueryOptions, useInfiniteQuery, type InfiniteData, type UseInfiniteQueryResult } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { onKey } from "../keys";
import { Export } from "./export";
import { Failure, Loading } from "./states";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ReactNode;
  /** Orders by this column; a click on its title takes the first, and then the next one. */
  orders?: Order[];
  /** `number` is aligned right, `main` gets the space that the others leave. */
  kind?: "number" | "main";
}

/** An order of a list. value: of the parameter `order`. label: of the order in words. */
export interface Order {
  value: string;
  label: string;
  isAscending?: boolean;
}

interface RowPage<Row> {
  rows: Row[];
  cursor?: string;
}

/** Document: that of a page, which may have more than rows. */
export type Pages<Row, Document extends RowPage<Row> = RowPage<Row>> = UseInfiniteQueryResult<InfiniteData<Document>, Error>;

/** Return the query of a list. read: returns the page after a cursor. */
export function pagesQuery<Row, Document extends RowPage<Row> = RowPage<Row>>(key: unknown[], read: (cursor: string) => Promise<Document>) {
  return infiniteQueryOptions({
    queryKey: key,
    queryFn: ({ pageParam }) => read(pageParam),
    initialPageParam: "",
    getNextPageParam: (page) => page.cursor || undefined,
  });
}

/** Return the pages of a list, while it changes those before. read: returns the page after a cursor. */
export function usePages<Row, Document extends RowPage<Row> = RowPage<Row>>(key: unknown[], read: (cursor: string) => Promise<Document>): Pages<Row, Document> {
  return useInfiniteQuery({ ...pagesQuery(key, read), placeholderData: (before) => before });
}

/** Milliseconds for which a row that was read before it is opened is not read again. */
export const FRESH = 30_000;

/** Return the number of rows as far as it is known: `120`, or `200+` if there are more. */
function countRows<Row>(pages: Pages<Row>): string {
  const count = pages.data?.pages.reduce((total, page) => total + page.rows.length, 0) ?? 0;
  return pages.hasNextPage ? `${count}+` : String(count);
}

/** Return the number of rows with its noun: `1 finding`, `200+ findings`. */
export function describeRows<Row>(pages: Pages<Row>, noun: string, many = `${noun}s`): string {
  const count = countRows(pages);
  return `${count} ${count === "1" ? noun : many}`;
}

/** Report the number of rows of a list, with its noun, to a page that says it elsewhere. Empty until it is known. */
export function useCount<Row>(pages: Pages<Row>, noun: string, onCount: (count: string) => void, many?: string): void {
  const count = pages.data ? describeRows(pages, noun, many) : "";
  useEffect(() => onCount(count), [count, onCount]);
}

interface Properties<Row> {
  caption: string;
  pages: Pages<Row>;
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  /** Address of a row, which a click opens. */
  href: (row: Row) => string;
  /** Reads what the page of a row shows, when the pointer is on the row. */
  prefetch?: (row: Row) => void;
  openKey?: string;
  order?: string;
  onOrder?: (order: string) => void;
  /** Address of the list as CSV. */
  csv?: string;
  /** Shown without rows. */
  empty: ReactNode;
}

const ROW_HEIGHT = 44;
const MARGIN = 10;

export function List<Row>({ caption, pages, columns, rowKey, href, prefetch, openKey, order, onOrder, csv, empty }: Properties<Row>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [scroller, setScroller] = useState<HTMLElement | null>(null);
  const [offset, setOffset] = useState(0);
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const hasRows = rows.length > 0;
  useLayoutEffect(() => {
    const element = body.current;
    const parent = element?.closest<HTMLElement>(".kk-scroller") ?? null;
    setScroller(parent);
    if (element && parent) setOffset(element.getBoundingClientRect().top - parent.getBoundingClientRect().top + parent.scrollTop);
  }, [hasRows]);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: (index) => rowKey(rows[index] as Row),
    overscan: MARGIN,
    scrollMargin: offset,
  });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && last >= rows.length - MARGIN) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, last, rows.length]);
  const [start, stop] = useRest();
  useMovement(body, (index) => index >= 0 && index < rows.length && virtual.scrollToIndex(index));

  if (pages.error && !hasRows) return <Failure error={pages.error} retry={() => void pages.refetch()} />;
  if (pages.isPending) return <Loading />;
  // A page of a list that skips rows may be empty before the last one.
  if (!hasRows) return hasNextPage ? <Loading /> : <>{empty}</>;
  const before = (shown[0]?.start ?? offset) - offset;
  const after = virtual.getTotalSize() - ((shown.at(-1)?.end ?? offset) - offset);
  return (
    <>
      <OrderChoice columns={columns} order={order} onOrder={onOrder} />
      {csv && <Export href={csv} />}
      <table className="pf-v6-c-table pf-m-compact kk-list" aria-rowcount={hasNextPage ? -1 : rows.length}>
        <caption className="pf-v6-screen-reader">{caption}</caption>
        <thead className="pf-v6-c-table__thead">
          <tr className="pf-v6-c-table__tr">
            {columns.map((column) => (
              <Heading key={column.title} column={column} order={order} onOrder={onOrder} />
            ))}
          </tr>
        </thead>
        <tbody ref={body} className="pf-v6-c-table__tbody">
          {before > 0 && <tr aria-hidden="true" style={{ height: before }} />}
          {shown.map(({ index, key }) => {
            const row = rows[index] as Row;
            return (
              <tr
                key={key}
                ref={virtual.measureElement}
                data-index={index}
                className={`pf-v6-c-table__tr pf-m-clickable ${openKey === rowKey(row) ? "pf-m-selected" : ""}`}
                onClick={(event) => openRow(event.currentTarget, event.target)}
                onMouseEnter={prefetch && (() => start(() => prefetch(row)))}
                onMouseLeave={prefetch && stop}
              >
                {columns.map((column, position) => (
                  <td key={column.title} className={`pf-v6-c-table__td kk-${column.kind ?? "plain"}`} data-label={column.title}>
                    {position === 0 ? (
                      <a className="kk-row-link" href={href(row)} data-row={rowKey(row)}>
                        {column.cell(row)}
                      </a>
                    ) : (
                      column.cell(row)
                    )}
                  </td>
                ))}
              </tr>
            );
          })}
          {after > 0 && <tr aria-hidden="true" style={{ height: after }} />}
        </tbody>
      </table>
      {isFetchingNextPage && <p className="kk-soft" role="status">Loading more</p>}
      {pages.error && <Failure error={pages.error} retry={() => void pages.fetchNextPage()} />}
    </>
  );
}

function Heading<Row>({ column, order, onOrder }: { column: Column<Row>; order?: string; onOrder?: (order: string) => void }) {
  const { orders = [] } = column;
  const position = orders.findIndex((each) => each.value === order);
  const current = orders[position];
  const next = orders[(position + 1) % orders.length];
  return (
    <th
      scope="col"
      className={`pf-v6-c-table__th kk-${column.kind ?? "plain"} ${next ? "pf-v6-c-table__sort" : ""} ${current ? "pf-m-selected" : ""}`}
      aria-sort={current && (current.isAscending ? "ascending" : "descending")}
    >
      {next && onOrder ? (
        <button type="button" className="pf-v6-c-table__button" onClick={() => onOrder(next.value)}>
          {column.title} <span aria-hidden="true">{current && (current.isAscending ? "↑" : "↓")}</span>
        </button>
      ) : (
        column.title
      )}
    </th>
  );
}

/** The order of a list whose columns have no titles: that of cards, on narrow screens. */
function OrderChoice<Row>({ columns, order, onOrder }: { columns: Column<Row>[]; order?: string; onOrder?: (order: string) => void }) {
  const choices = columns.flatMap((column) => (column.orders ?? []).map((each) => ({ ...each, title: column.title })));
  if (!onOrder || choices.length < 2) return null;
  return (
    <div className="kk-filter kk-order">
      <span aria-hidden="true">Sort by</span>
      <span className="pf-v6-c-form-control">
        <select aria-label="Sort by" value={order} onChange={(event) => onOrder(event.target.value)}>
          {choices.map((choice) => (
            <option key={choice.value} value={choice.value}>
              {choice.title}: {choice.label}
            </option>
          ))}
        </select>
      </span>
    </div>
  );
}

const REST = 150;

/** Return the functions that run an effect when the pointer has rested for a moment, and that cancel it. */
function useRest(): [(effect: () => void) => void, () => void] {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const stop = () => clearTimeout(timer.current);
  useEffect(() => stop, []);
  return [
    (effect) => {
      stop();
      timer.current = setTimeout(effect, REST);
    },
    stop,
  ];
}

/** A click anywhere on a row is one on its link, unless it selects text or is on another control. */
function openRow(row: HTMLElement, target: EventTarget): void {
  if (target instanceof Element && target.closest("a, button, input, select, label")) return;
  if (window.getSelection()?.toString()) return;
  row.querySelector<HTMLElement>("a.kk-row-link")?.click();
}

/** Move the focus to the next and the previous row by j and k; e opens the row with the focus, as Enter does. */
function useMovement(body: React.RefObject<HTMLElement | null>, show: (index: number) => void): void {
  const latest = useRef(show);
  latest.current = show;
  useEffect(() => {
    const find = (index: number) => body.current?.querySelector<HTMLElement>(`tr[data-index="${index}"] a.kk-row-link`);
    const move = (step: number) => {
      const current = document.activeElement?.closest<HTMLElement>("tr[data-index]")?.dataset.index;
      const index = current === undefined ? 0 : Number(current) + step;
      latest.current(index);
      const link = find(index);
      // A row out of view is in the document after the scrolling.
      if (link) link.focus();
      else requestAnimationFrame(() => find(index)?.focus());
    };
    const open = () => document.activeElement?.closest("tr[data-index]")?.querySelector<HTMLElement>("a.kk-row-link")?.click();
    const ends = [onKey("j", () => move(1)), onKey("k", () => move(-1)), onKey("e", open)];
    return () => ends.forEach((end) => end());
  }, [body]);
}
