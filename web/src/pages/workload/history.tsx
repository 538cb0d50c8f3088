/** The history of a subject: findings that were opened and fixed, the newest first. */
import type { ReactNode } from "react";
import type { Schemas } from "../../api/client";
import { Severity } from "../../components/severity";
import { Time } from "../../components/time";

interface Event {
  moment: string;
  text: ReactNode;
}

const SHOWN = 30;

export function History({ page }: { page: Schemas["SubjectPage"] }) {
  const events: Event[] = [{ moment: page.opened, text: "First seen" }];
  if (page.closed) events.push({ moment: page.closed, text: "No longer in its source" });
  for (const finding of page.findings) {
    const title = (
      <>
        <span className="kk-id">{finding.definition.id}</span> {finding.definition.title} <Severity level={finding.priority} />
      </>
    );
    events.push({ moment: finding.opened, text: <>Opened: {title}</> });
    if (finding.closed) events.push({ moment: finding.closed, text: <>Fixed: {title}</> });
  }
  events.sort((one, other) => other.moment.localeCompare(one.moment));
  return (
    <>
      <Events events={events.slice(0, SHOWN)} />
      {events.length > SHOWN && (
        <details>
          <summary>{events.length - SHOWN} earlier events</summary>
          <Events events={events.slice(SHOWN)} />
        </details>
      )}
    </>
  );
}

function Events({ events }: { events: Event[] }) {
  return (
    <ol className="kk-history">
      {events.map((event, index) => (
        <li key={index}>
          <Time value={event.moment} /> <span>{event.text}</span>
        </li>
      ))}
    </ol>
  );
}
