/** The numbers of findings that are overdue or due within a week, by the service levels. */
import { useQuery } from "@tanstack/react-query";
import { client, load } from "../api/client";
import { useUrl } from "../url";
import { format, sum } from "./severity";

/** Return the number of findings in words. isComplete: false if there may be more. */
export function describeDue(value: "overdue" | "week", count: number, isComplete: boolean): string {
  const isOne = count === 1 && isComplete;
  const words = value === "overdue" ? (isOne ? "finding is overdue" : "findings are overdue") : `${isOne ? "is" : "are"} due within a week`;
  return `${format(count)}${isComplete ? "" : "+"} ${words}`;
}

/** A sentence with links to the findings; nothing without service levels. */
export function DueSentence({ source, owner = [] }: { source: number[]; owner?: string[] }) {
  const url = useUrl();
  const due = useQuery({ queryKey: ["due", source, owner], queryFn: () => load(client.GET("/api/v1/findings/due", { params: { query: { source, owner } } })) });
  if (!due.data?.hasLevels) return null;
  const parts = [
    ["overdue", sum(due.data.overdue), "No findings are overdue"],
    ["week", sum(due.data.week), "none are due within a week"],
  ] as const;
  return (
    <p>
      {parts.map(([value, count, none], index) => (
        <span key={value}>
          {index > 0 && " · "}
          {count ? (
            <a href={`/findings${url.with({ days: "", open: "", due: value })}`}>
              {describeDue(value, count, due.data.isComplete)}
            </a>
          ) : (
            none
          )}
        </span>
      ))}
    </p>
  );
}
