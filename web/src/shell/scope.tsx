/** The scope: the clusters, repositories and registries that the pages show. A parameter of each URL. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load } from "../api/client";
import { Dialog } from "../components/dialog";
import { plural } from "../components/severity";
import { Await } from "../components/states";
import { nameSource } from "../sources";
import { useUrl } from "../url";

const MOST = 100;

export function ScopeButton() {
  const url = useUrl();
  const [isOpen, setOpen] = useState(false);
  const selected = url.list("source");
  const [first] = selected;
  const source = useQuery({
    queryKey: ["source", Number(first)],
    queryFn: () => load(client.GET("/api/v1/sources/{source}", { params: { path: { source: Number(first) } } })),
    enabled: selected.length === 1,
  });
  const name = selected.length > 1 ? plural(selected.length, "source") : selected.length === 1 ? (source.data ? nameSource(source.data) : "1 source") : "All sources";
  return (
    <>
      <button type="button" className="pf-v6-c-button pf-m-secondary kk-scope" onClick={() => setOpen(true)}>
        <span className="pf-v6-screen-reader">Scope: </span>
        <span className="kk-scope-name">{name}</span> <span aria-hidden="true">▾</span>
      </button>
      {isOpen && <ScopeDialog onClose={() => setOpen(false)} />}
    </>
  );
}

function ScopeDialog({ onClose }: { onClose: () => void }) {
  const url = useUrl();
  const selected = url.list("source");
  const [text, setText] = useState("");
  const sources = useQuery({
    queryKey: ["sources", "scope", text],
    queryFn: () => load(client.GET("/api/v1/sources", { params: { query: { text, limit: MOST } } })),
    placeholderData: (before) => before,
  });
  const toggle = (id: string) => url.set({ source: selected.includes(id) ? selected.filter((each) => each !== id) : [...selected, id] });
  return (
    <Dialog title="Show results of" onClose={onClose}>
      <label className="kk-field">
        <span className="pf-v6-screen-reader">Name of a source</span>
        <span className="pf-v6-c-form-control">
          <input type="search" autoFocus placeholder="Cluster, repository or registry" value={text} onChange={(event) => setText(event.target.value)} />
        </span>
      </label>
      <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" disabled={!selected.length} onClick={() => url.set({ source: [] })}>
        All sources
      </button>
      <Await query={sources}>
        {({ rows, cursor }) => (
          <>
            <ul className="kk-options">
              {rows.map((row) => (
                <li key={row.id}>
                  <label>
                    <input type="checkbox" checked={selected.includes(String(row.id))} onChange={() => toggle(String(row.id))} /> {nameSource(row)}
                  </label>
                </li>
              ))}
            </ul>
            {rows.length === 0 && <p>No source has this name.</p>}
            {cursor && <p className="kk-soft">The first {MOST} are shown. Write a part of the name to see others.</p>}
          </>
        )}
      </Await>
    </Dialog>
  );
}
