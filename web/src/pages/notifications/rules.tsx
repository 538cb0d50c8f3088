/** Rules of notifications: which changes are sent, and when. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { ChangeButton, Choose, Field, Form, splitValues } from "../../components/form";
import { Card } from "../../components/page";
import { capitalize, LEVELS } from "../../components/severity";
import { Await, Failure } from "../../components/states";
import { Table } from "../../components/table";
import { useDestinations } from "./destinations";

type Rule = Schemas["RuleRow"];
type Event = Schemas["RuleEvent"];
type Draft = Schemas["RuleDocumentInput"];

export const EVENTS: Record<Event, string> = {
  "finding-opened": "New finding",
  "finding-reopened": "Finding is back",
  "finding-fixed": "Finding is fixed",
  "advisory-new": "New advisory for an image that runs",
  "coverage-lost": "Coverage lost",
  "finding-due": "Finding is due (in summaries)",
  "source-silent": "Source is silent",
  "decision-waits": "Decision waits for approval",
  "decision-expires": "Decision ends soon",
  "decision-expired": "Decision has expired",
};
const DIGESTS = ["hourly", "daily", "weekly"] as const;
const STALE = [["rules"]];

export function Rules({ mayChange }: { mayChange: boolean }) {
  const rules = useQuery({ queryKey: ["rules"], queryFn: () => load(client.GET("/api/v1/notifications/rules")) });
  const destinations = useDestinations();
  const [isAdding, setAdding] = useState(false);
  const names = new Map(destinations.data?.rows.map((row) => [row.id, row.name]));
  return (
    <Card title="Rules">
      {mayChange && names.size > 0 && (
        <p>
          <button type="button" className="pf-v6-c-button pf-m-primary" onClick={() => setAdding(true)}>
            Add a rule
          </button>
        </p>
      )}
      <Await query={rules} lines={2}>
        {({ rows }) =>
          rows.length ? (
            <Table
              caption="Rules"
              rows={[...rows]}
              rowKey={(row) => row.id}
              columns={[
                { title: "Name", cell: (row) => <Name rule={row} /> },
                { title: "Sends", cell: (row) => describe(row) },
                { title: "To", cell: (row) => names.get(row.destination) ?? row.destination },
                { title: "By", cell: (row) => row.author },
                { title: "Changes", cell: (row) => mayChange && <Changes rule={row} /> },
              ]}
            />
          ) : (
            <p>{names.size ? "There is none, so that nothing is sent." : "Add a destination first."}</p>
          )
        }
      </Await>
      {isAdding && <AddRule destinations={[...names]} onClose={() => setAdding(false)} />}
    </Card>
  );
}

function Name({ rule }: { rule: Rule }) {
  return (
    <>
      {rule.name} {!rule.isEnabled && <span className="kk-soft">off</span>}
      {!rule.hasAuthor && <span className="kk-notice">sends nothing: its author has no access any more</span>}
    </>
  );
}

/** Return what a rule sends, in words. */
function describe(rule: Rule): string {
  const { events, filter, digest, quietHours } = rule.document;
  return [
    events.map((event) => EVENTS[event]).join(", "),
    filter?.priorities?.length ? `priority ${filter.priorities.join(", ")}` : "",
    filter?.exposed ? "reachable from outside" : "",
    filter?.sources?.length ? `in ${filter.sources.join(", ")}` : "",
    filter?.namespaces?.length ? `namespaces ${filter.namespaces.join(", ")}` : "",
    filter?.owners?.length ? `owned by ${filter.owners.join(", ")}` : "",
    filter?.labels?.length ? `labels ${filter.labels.join(", ")}` : "",
    digest ? `${digest} summary` : "",
    quietHours ? `not from ${quietHours.start} to ${quietHours.end}` : "",
  ]
    .filter(Boolean)
    .join("; ");
}

function Changes({ rule }: { rule: Rule }) {
  const path = { number: rule.id };
  const { name, destination, document } = rule;
  const enable = (isEnabled: boolean) => () => load(client.PUT("/api/v1/notifications/rules/{number}", { params: { path }, body: { name, destination, document: document as Draft, isEnabled } }));
  return (
    <span className="kk-buttons">
      <ChangeButton label={rule.isEnabled ? "Turn off" : "Turn on"} change={enable(!rule.isEnabled)} stale={STALE} />
      <ChangeButton label="Delete" isDanger question={`Delete the rule ${name}?`} change={() => load(client.DELETE("/api/v1/notifications/rules/{number}", { params: { path } }))} stale={STALE} />
    </span>
  );
}

function AddRule({ destinations, onClose }: { destinations: [number, string][]; onClose: () => void }) {
  const [preview, setPreview] = useState<Schemas["RulePreview"] | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const show = (form: HTMLFormElement | null) => {
    setError(null);
    if (form) load(client.POST("/api/v1/notifications/rules/preview", { body: readDocument(new FormData(form)) })).then(setPreview, setError);
  };
  const create = (values: FormData) => load(client.POST("/api/v1/notifications/rules", { body: { name: String(values.get("rule")), destination: Number(values.get("destination")), document: readDocument(values), isEnabled: true } }));
  return (
    <Dialog title="Add a rule" onClose={onClose}>
      <Form action="Add" change={create} stale={STALE} onDone={onClose}>
        <Field label="Name" name="rule" required maxLength={200} placeholder="exposed and critical" />
        <fieldset className="kk-choices">
          <legend>When</legend>
          {Object.entries(EVENTS).map(([event, label]) => (
            <label key={event}>
              <input type="checkbox" name="event" value={event} defaultChecked={event === "finding-opened" || event === "finding-reopened"} /> {label}
            </label>
          ))}
        </fieldset>
        <fieldset className="kk-choices">
          <legend>Priority; all without a choice</legend>
          {LEVELS.map((level) => (
            <label key={level}>
              <input type="checkbox" name="priority" value={level} defaultChecked={level === "critical" || level === "high"} /> {capitalize(level)}
            </label>
          ))}
        </fieldset>
        <label>
          <input type="checkbox" name="exposed" /> Only workloads that can be reached from outside
        </label>
        <Field label="Sources" name="sources" placeholder="cluster/*" help="Separated by commas; empty for all that you may see" />
        <Field label="Namespaces" name="namespaces" help="Separated by commas; empty for all" />
        <Field label="Owner" name="owner" help="A team or person, as metadata or CODEOWNERS names it; empty for all" />
        <Choose label="Send" name="digest">
          <option value="">At once</option>
          {DIGESTS.map((digest) => (
            <option key={digest} value={digest}>
              {capitalize(digest)} summary
            </option>
          ))}
        </Choose>
        <Field label="Not from" name="start" type="time" />
        <Field label="Not until" name="end" type="time" help={`In the time zone ${zone()}`} />
        <Choose label="To" name="destination">
          {destinations.map(([number, name]) => (
            <option key={number} value={number}>
              {name}
            </option>
          ))}
        </Choose>
        <div>
          <button type="button" className="pf-v6-c-button pf-m-secondary" onClick={(event) => show(event.currentTarget.form)}>
            Preview
          </button>
        </div>
        {error && <Failure error={error} />}
        {preview && <pre className="kk-preview">{preview.text || "No change of the last ones matches the rule."}</pre>}
      </Form>
    </Dialog>
  );
}

function readDocument(values: FormData): Draft {
  const [start, end, digest] = ["start", "end", "digest"].map((name) => String(values.get(name) ?? ""));
  return {
    events: values.getAll("event") as Event[],
    filter: {
      sources: splitValues(values.get("sources")),
      namespaces: splitValues(values.get("namespaces")),
      owners: [String(values.get("owner") ?? "").trim()].filter(Boolean),
      priorities: values.getAll("priority") as Schemas["FilterInput"]["priorities"],
      exposed: values.get("exposed") ? true : null,
    },
    quietHours: start && end ? { start, end } : null,
    digest: (digest || null) as Draft["digest"],
    zone: zone(),
  } as Draft;
}

/** Return the time zone of the user. */
function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
