/** Names and reach of a subject, from its entry in a submission. */
import type { Schemas } from "../../api/client";

type Entry = Schemas["SubjectEntry"];

/** Return the namespace and the name of a subject. */
export function nameOf({ subject }: Entry): string {
  if (subject.type === "image") return subject.reference;
  if (subject.type === "process") return `${subject.executable} on ${subject.host}`;
  const namespace = subject.type === "resource" ? subject.namespace : "";
  return namespace ? `${namespace}/${subject.name}` : subject.name;
}

export function kindOf({ subject }: Entry): string {
  if (subject.type === "resource") return subject.kind;
  if (subject.type === "image") return "Image";
  return "kind" in subject && subject.kind ? String(subject.kind) : "Subject";
}

/** Return the exposure of a subject as the server counts it. */
export function reachOf({ exposure, power, rights }: Entry): number {
  return (exposure ? 4 : 0) + (power ? 2 : 0) + (rights && !power ? 1 : 0);
}
