/** The choice of two sources to compare. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load } from "../../api/client";
import { Card } from "../../components/page";
import { Await } from "../../components/states";
import { nameSource } from "../../sources";
import type { UrlState } from "../../url";

const MOST = 20;

export function ChooseSides({ url }: { url: UrlState }) {
  const [from, setFrom] = useState(url.get("from"));
  const [to, setTo] = useState(url.get("to"));
  return (
    <div className="kk-stack">
      <div className="kk-overview">
        <Side title="Before" name="from" selected={from} onSelect={setFrom} />
        <Side title="After" name="to" selected={to} onSelect={setTo} />
      </div>
      <div>
        <button type="button" className="pf-v6-c-button pf-m-primary" disabled={!from || !to || from === to} onClick={() => url.set({ from, to }, true)}>
          Compare
        </button>
      </div>
    </div>
  );
}

function Side({ title, name, selected, onSelect }: { title: string; name: string; selected: string; onSelect: (id: string) => void }) {
  const [text, setText] = useState("");
  const chosen = useQuery({
    queryKey: ["source", Number(selected)],
    queryFn: () => load(client.GET("/api/v1/sources/{source}", { params: { path: { source: Number(selected) } } })),
    enabled: selected !== "",
  });
  const sources = useQuery({
    queryKey: ["sources", "compare", text],
    queryFn: () => load(client.GET("/api/v1/sources", { params: { query: { text, order: "last_scan", limit: MOST } } })),
    placeholderData: (before) => before,
  });
  return (
    <Card title={title}>
      {chosen.data && selected && (
        <p>
          Chosen: <strong>{nameSource(chosen.data)}</strong>
        </p>
      )}
      <label className="kk-field">
        <span>Name of a source</span>
        <span className="pf-v6-c-form-control">
          <input type="search" value={text} onChange={(event) => setText(event.target.value)} />
        </span>
      </label>
      <Await query={sources}>
        {({ rows }) =>
          rows.length ? (
            <fieldset className="kk-plain">
              <legend className="pf-v6-screen-reader">{title}</legend>
              <ul className="kk-options">
                {rows.map((row) => (
                  <li key={row.id}>
                    <label>
                      <input type="radio" name={name} checked={selected === String(row.id)} onChange={() => onSelect(String(row.id))} /> {nameSource(row)}
                    </label>
                  </li>
                ))}
              </ul>
            </fieldset>
          ) : (
            <p>No source has this name.</p>
          )
        }
      </Await>
    </Card>
  );
}
