/** A dialog in which one decides on findings. */
import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { client, load, type Schemas } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { Area, Choose, Field, Form } from "../../components/form";
import { mayManage, useIdentity } from "../../identity";
import { KINDS, type Kind, type Scope } from "./words";

const DEFAULT_DAYS = 90;
const LONGEST_REASON = 4_096;
const MILLISECONDS_OF_A_DAY = 86_400_000;

/** A scope to choose from. */
export interface ScopeChoice {
  label: string;
  scope: Omit<Scope, "definitions">;
}

interface Properties {
  /** Keys of controls or advisories. */
  definitions: string[];
  title: ReactNode;
  choices: ScopeChoice[];
  label?: string;
  /** The kind that is chosen at first. */
  first?: Kind;
}

/** A button that opens the dialog, for those who may decide. */
export function DecideButton(properties: Properties) {
  const [isOpen, setOpen] = useState(false);
  if (!mayManage(useIdentity())) return null;
  return (
    <>
      <button type="button" className="pf-v6-c-button pf-m-small pf-m-secondary" onClick={() => setOpen(true)}>
        {properties.label ?? "Decide"}
      </button>
      {isOpen && <DecideDialog {...properties} onClose={() => setOpen(false)} />}
    </>
  );
}

function DecideDialog({ definitions, title, choices, first = "accepted-risk", onClose }: Properties & { onClose: () => void }) {
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>(first);
  const [created, setCreated] = useState<Schemas["CreatedDecision"] | null>(null);
  const make = (values: FormData) => {
    const scope = choices[Number(values.get("scope"))]?.scope ?? {};
    return load(
      client.POST("/api/v1/decisions", {
        body: {
          kind,
          scope: { definitions, ...scope } as Schemas["DecisionScopeDocument"],
          reason: String(values.get("reason")),
          ...readWork(values),
          expires: readDay(values.get("expires")),
        },
      }),
    );
  };
  if (created)
    return (
      <Dialog title={created.state === "proposed" ? "The decision waits for approval" : "The decision is in force"} onClose={onClose}>
        <p>
          {created.state === "proposed" ? "Another person must approve it before it counts. " : ""}
          <a href={`/decisions?open=${created.id}`} onClick={onClose}>
            See decision {created.id}
          </a>
        </p>
      </Dialog>
    );
  return (
    <Dialog title={definitions.length === 1 ? `Decide on ${definitions[0]?.split("/").at(-1)}` : `Decide on ${definitions.length} vulnerabilities`} onClose={onClose}>
      <p>{title}</p>
      <Form
        action="Decide"
        change={make}
        onDone={(result: Schemas["CreatedDecision"]) => {
          setCreated(result);
          // Every list and number may have changed.
          void queries.invalidateQueries();
        }}
      >
        <Choose label="Decision" value={kind} onChange={(event) => setKind(event.target.value as Kind)} help={kind === "in-progress" ? "The findings count as before, and show that somebody works on them." : "The findings no longer count until the decision ends."}>
          {Object.entries(KINDS).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Choose>
        <Choose label="For" name="scope" help="It also counts for findings that come later.">
          {choices.map((choice, index) => (
            <option key={choice.label} value={index}>
              {choice.label}
            </option>
          ))}
        </Choose>
        <Area label="Reason" name="reason" required maxLength={LONGEST_REASON} rows={3} placeholder="Why this is right, and what limits the risk" />
        <Field label="Until" name="expires" type="date" required defaultValue={formatDay(DEFAULT_DAYS)} min={formatDay(1)} help="Then the findings count again." />
        <WorkFields />
      </Form>
    </Dialog>
  );
}

/** The fields of who works on it, until when, and where. */
export function WorkFields({ work }: { work?: Schemas["DecisionPage"] }) {
  return (
    <>
      <Field label="Owner" name="owner" maxLength={200} placeholder="A person or a team" defaultValue={work?.owner} />
      <Field label="Due" name="due" type="date" defaultValue={work?.due ? formatDate(new Date(work.due)) : undefined} />
      <Area label="Tickets and pull requests" name="links" rows={2} placeholder="One address in each line" defaultValue={work?.links.join("\n")} />
    </>
  );
}

/** Return the work that the fields describe. */
export function readWork(values: FormData) {
  return {
    owner: String(values.get("owner")).trim() || null,
    due: readDay(values.get("due")),
    links: String(values.get("links")).split(/\s+/).filter(Boolean),
  };
}

/** Return the day after a number of days, as fields of dates have it. */
function formatDay(days: number): string {
  return formatDate(new Date(Date.now() + days * MILLISECONDS_OF_A_DAY));
}

function formatDate(day: Date): string {
  return `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}-${String(day.getDate()).padStart(2, "0")}`;
}

/** Return the beginning of a day in the time zone of the user; null without one. */
function readDay(value: FormDataEntryValue | null): string | null {
  return value ? new Date(`${String(value)}T00:00`).toISOString() : null;
}
