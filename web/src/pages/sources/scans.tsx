/** The last scans of a source, with what they changed; two of them can be compared. */
import { useState } from "react";
import { useLocation } from "wouter";
import { client, load, type Schemas } from "../../api/client";
import { usePages, type Column } from "../../components/list";
import { Card } from "../../components/page";
import { format } from "../../components/severity";
import { Failure, Loading } from "../../components/states";
import { Table } from "../../components/table";
import { Time } from "../../components/time";

type Scan = Schemas["ScanRow"];

const LENGTH = 10;
const MINUTE = 60;
const PAIR = 2;

export function Scans({ source }: { source: number }) {
  const [, navigate] = useLocation();
  const [selected, setSelected] = useState<string[]>([]);
  const pages = usePages(["scans", source], (cursor) => load(client.GET("/api/v1/sources/{source}/scans", { params: { path: { source }, query: { cursor, limit: LENGTH } } })));
  const rows = pages.data?.pages.flatMap((page) => page.rows) ?? [];
  const toggle = (id: string) => setSelected(selected.includes(id) ? selected.filter((each) => each !== id) : [...selected, id].slice(-PAIR));
  const columns: Column<Scan>[] = [
    { title: "Finished", kind: "main", cell: (row) => <Time value={row.finished} /> },
    { title: "Opened", kind: "number", cell: (row) => format(row.opened) },
    { title: "Fixed", kind: "number", cell: (row) => format(row.closed) },
    { title: "Duration", kind: "number", cell: (row) => describeDuration(row) },
    { title: "Document", cell: (row) => <a href={`/api/v1/sources/${source}/scans/${encodeURIComponent(row.id)}`} download>JSON</a> },
    {
      title: "Compare",
      cell: (row) =>
        row.isApplied ? (
          <input type="checkbox" className="kk-check" aria-label={`Compare the scan of ${new Date(row.finished).toLocaleString()}`} checked={selected.includes(row.id)} onChange={() => toggle(row.id)} />
        ) : (
          <span className="kk-soft">arrived after a later one</span>
        ),
    },
  ];
  if (pages.error) return <Failure error={pages.error} />;
  const [first, second] = selected;
  return (
    <Card
      title={
        <span className="kk-card-title">
          Last scans
          <button
            type="button"
            className="pf-v6-c-button pf-m-secondary pf-m-small"
            disabled={selected.length !== PAIR}
            onClick={() => navigate(`/compare?from=${encodeURIComponent(`${source}:${first}`)}&to=${encodeURIComponent(`${source}:${second}`)}`)}
          >
            Compare two scans
          </button>
        </span>
      }
    >
      {pages.data ? <Table caption="Last scans" rows={rows} columns={columns} rowKey={(row) => row.id} /> : <Loading lines={4} />}
      {pages.hasNextPage && (
        <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void pages.fetchNextPage()}>
          Show more
        </button>
      )}
    </Card>
  );
}

/** Return the time that a scan took. */
export function describeDuration({ started, finished }: Pick<Scan, "started" | "finished">): string {
  const seconds = Math.round((new Date(finished).getTime() - new Date(started).getTime()) / 1000);
  return seconds < MINUTE ? `${seconds} s` : `${Math.round(seconds / MINUTE)} min`;
}
