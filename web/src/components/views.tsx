/** Saved views: pages with their filters and order under a name. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { client, load, type Schemas } from "../api/client";
import { Dialog } from "./dialog";
import { Field, Form } from "./form";

export type View = Schemas["SavedView"];

const VIEWS = ["views"];

export function useViews() {
  return useQuery({ queryKey: VIEWS, queryFn: () => load(client.GET("/api/v1/views")) });
}

/** The views of this page, and the button that saves it. */
export function Views() {
  const views = useViews();
  const queries = useQueryClient();
  // The address of the browser, of which the router tells.
  useLocation();
  const [isSaving, setSaving] = useState(false);
  const removal = useMutation({
    mutationFn: (view: View) => load(client.DELETE("/api/v1/views/{number}", { params: { path: { number: view.id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: VIEWS }),
  });
  const current = location.pathname + location.search;
  const here = (views.data ?? []).filter((view) => view.address.split("?")[0] === location.pathname);
  return (
    <div className="kk-views">
      {here.length > 0 && (
        <ul className="kk-chips" aria-label="Saved views">
          {here.map((view) => (
            <li key={view.id} className="kk-chip">
              <a href={view.address} aria-current={view.address === current ? "true" : undefined} title={view.isOwn ? "Your view" : `Shared by ${view.author}`}>
                {view.name}
              </a>
              {view.isOwn && (
                <button type="button" aria-label={`Delete the view ${view.name}`} onClick={() => removal.mutate(view)}>
                  ✕
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {removal.error && <span role="alert">{removal.error.message}</span>}
      <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => setSaving(true)}>
        Save this view
      </button>
      {isSaving && <SaveView address={current} onClose={() => setSaving(false)} />}
    </div>
  );
}

function SaveView({ address, onClose }: { address: string; onClose: () => void }) {
  const save = (values: FormData) =>
    load(client.POST("/api/v1/views", { body: { name: String(values.get("name") ?? "").trim(), address, isShared: values.get("shared") === "on" } }));
  return (
    <Dialog title="Save this view" onClose={onClose}>
      <p>The filters and the order of the page are kept under a name. The name is also in the search.</p>
      <Form action="Save" change={save} stale={[VIEWS]} onDone={onClose}>
        <Field label="Name" name="name" required maxLength={200} autoFocus autoComplete="off" help="A view of yours with the same name is replaced" />
        <label>
          <input type="checkbox" name="shared" /> Share with all users
        </label>
      </Form>
    </Dialog>
  );
}
