/** Changes in words. */
import type { Schemas } from "../../api/client";

export type ImageChange = Schemas["Upgrade"] | Schemas["Update"];
export type Change = ImageChange | Schemas["Remediation"];

/** Return the key of a change in the URL. */
export function keyOf(change: Change): string {
  if (change.change === "remediation") return change.definition;
  return `${change.type}/${change.name}`;
}

export function ImageChangeTitle({ change }: { change: ImageChange }) {
  if (change.change === "upgrade")
    return (
      <>
        Upgrade <strong>{change.name}</strong> to {change.version}
      </>
    );
  return (
    <>
      Update the packages of <strong>{change.name}</strong>
    </>
  );
}
