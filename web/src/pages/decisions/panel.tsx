/** A decision beside the list: its reason, what it covers, its comments, and what one can do with it. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, load, type Schemas } from "../../api/client";
import { Dialog } from "../../components/dialog";
import { Area, Form } from "../../components/form";
import { Facts } from "../../components/page";
import { Panel } from "../../components/panel";
import { capitalize, plural } from "../../components/severity";
import { Await } from "../../components/states";
import { Time } from "../../components/time";
import { mayManage, useIdentity } from "../../identity";
import { query } from "../../url";
import { readWork, WorkFields } from "./decide";
import { Links } from "./links";
import { describeLimits, KINDS, SHOWN, STATES } from "./words";

type Decision = Schemas["DecisionPage"];

const LONGEST_COMMENT = 4_096;

export function DecisionPanel({ number, onClose }: { number: number; onClose: () => void }) {
  const page = useQuery({ queryKey: ["decision", number], queryFn: () => load(client.GET("/api/v1/decisions/{number}", { params: { path: { number } } })) });
  return (
    <Panel title={page.data ? KINDS[page.data.kind] : "Decision"} rowKey={String(number)} onClose={onClose}>
      <Await query={page}>{(data) => <Content decision={data} />}</Await>
    </Panel>
  );
}

function Content({ decision }: { decision: Decision }) {
  const user = useIdentity();
  const mayDecide = mayManage(user);
  return (
    <>
      <ul>
        {decision.scope.definitions.map((key, index) => (
          <li key={key}>
            <span className="kk-id">{key.split("/").at(-1)}</span> {decision.titles[index]}
          </li>
        ))}
      </ul>
      <p>{capitalize(describeLimits(decision.scope))}</p>
      <blockquote className="kk-reason">{decision.reason}</blockquote>
      <Facts
        facts={[
          ["State", STATES[decision.state]],
          ["Covers", <Covered key="covers" decision={decision} />],
          ["Made by", <span key="author">{decision.author}, <Time value={decision.created} /></span>],
          [decision.state === "rejected" ? "Rejected by" : "Approved by", decision.approver],
          ["Owner", decision.owner],
          ["Due", decision.due && <Time key="due" value={decision.due} />],
          ["Tickets and pull requests", decision.links.length > 0 && <Links key="links" links={decision.links} />],
          [decision.state === "active" || decision.state === "proposed" ? "Until" : "Was to end", <Time key="expires" value={decision.expires} />],
          ["Namespaces", listLong(decision.scope.namespaces)],
          ["Names", listLong(decision.scope.names)],
          ["Sources", listLong(decision.scope.sources)],
          ["Images", listLong(decision.scope.images)],
          ["Repositories", listLong(decision.scope.repositories)],
          ["Packages", listLong(decision.scope.packages)],
        ]}
      />
      {mayDecide && <Actions decision={decision} isAuthor={user?.name === decision.author} />}
      <h3 className="pf-v6-c-title pf-m-md">Comments</h3>
      {decision.comments.length === 0 && <p className="kk-soft">None yet.</p>}
      <ol className="kk-comments">
        {decision.comments.map((comment, index) => (
          <li key={index}>
            <p className="kk-soft">
              {comment.author}, <Time value={comment.moment} />
            </p>
            <p>{comment.text}</p>
          </li>
        ))}
      </ol>
      {mayDecide && <Comment decision={decision} />}
    </>
  );
}

/** Return a list that the sentence about the scope shortens; empty for a short one. */
function listLong(values: readonly string[] = []): string {
  return values.length > SHOWN ? values.join(", ") : "";
}

/** The number of findings that a decision covers now, with a link to them. */
function Covered({ decision }: { decision: Decision }) {
  if (decision.state !== "active") return <>nothing now</>;
  if (decision.kind === "in-progress") return <>nothing: its findings count</>;
  const { definitions, namespaces, kinds, names } = decision.scope;
  const parameters = new URLSearchParams([["state", "decided"]]);
  for (const [name, values] of Object.entries({ definition: definitions, namespace: namespaces, kind: kinds, name: names })) for (const value of values ?? []) parameters.append(name, value);
  return (
    <>
      {decision.findings || !decision.problems ? <a href={`/findings${query(parameters)}`}>{plural(decision.findings, "finding")}</a> : null}
      {decision.findings && decision.problems ? ", " : ""}
      {decision.problems ? `${plural(decision.problems, "problem")} of images` : ""}
    </>
  );
}

function Actions({ decision, isAuthor }: { decision: Decision; isAuthor: boolean }) {
  const path = { number: decision.id };
  const answer = (isApproved: boolean) => (comment: string) => load(client.POST("/api/v1/decisions/{number}/answer", { params: { path }, body: { isApproved, comment } }));
  const end = (comment: string) => load(client.POST("/api/v1/decisions/{number}/end", { params: { path }, body: { comment } }));
  if (decision.state === "active")
    return (
      <p className="kk-actions">
        <ChangeWork decision={decision} />
        <Action label="End it now" effect="Its findings count again." change={end} isDanger />
      </p>
    );
  if (decision.state !== "proposed") return null;
  return (
    <p className="kk-actions">
      {isAuthor ? (
        <>
          <span className="kk-soft">Another person must approve it.</span>
          <Action label="Withdraw" effect="It never counts." change={end} isDanger />
        </>
      ) : (
        <>
          <Action label="Approve" effect="The findings no longer count until it ends." change={answer(true)} />
          <Action label="Reject" effect="The findings count as before." change={answer(false)} isDanger />
        </>
      )}
    </p>
  );
}

/** Assign the decision to somebody else, or name the ticket and the pull request. */
function ChangeWork({ decision }: { decision: Decision }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" className="pf-v6-c-button pf-m-small pf-m-secondary" onClick={() => setOpen(true)}>
        Owner, due date, links
      </button>
      {isOpen && (
        <Dialog title="Who works on it" onClose={() => setOpen(false)}>
          <Form
            action="Save"
            stale={[["decision", decision.id], ["decisions"], ["fixes"]]}
            change={(values) => load(client.PUT("/api/v1/decisions/{number}/work", { params: { path: { number: decision.id } }, body: readWork(values) }))}
            onDone={() => setOpen(false)}
          >
            <WorkFields work={decision} />
          </Form>
        </Dialog>
      )}
    </>
  );
}

/** A button that changes the decision, with a comment about the reason. effect: what the change means. */
function Action({ label, effect, change, isDanger = false }: { label: string; effect: string; change: (comment: string) => Promise<unknown>; isDanger?: boolean }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" className={`pf-v6-c-button pf-m-small pf-m-secondary ${isDanger ? "pf-m-danger" : ""}`} onClick={() => setOpen(true)}>
        {label}
      </button>
      {isOpen && (
        <Dialog title={label} onClose={() => setOpen(false)}>
          <p>{effect}</p>
          {/* Every list and number may change. */}
          <Form action={label} isDanger={isDanger} stale={[[]]} change={(values) => change(String(values.get("comment")).trim())} onDone={() => setOpen(false)}>
            <Area label="Comment" name="comment" rows={2} maxLength={LONGEST_COMMENT} />
          </Form>
        </Dialog>
      )}
    </>
  );
}

function Comment({ decision }: { decision: Decision }) {
  return (
    <Form
      key={decision.comments.length}
      action="Comment"
      stale={[["decision", decision.id]]}
      change={(values) => load(client.POST("/api/v1/decisions/{number}/comments", { params: { path: { number: decision.id } }, body: { text: String(values.get("text")) } }))}
    >
      <Area label="New comment" name="text" required rows={2} maxLength={LONGEST_COMMENT} />
    </Form>
  );
}
