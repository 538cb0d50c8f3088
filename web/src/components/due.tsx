/** The numbers of findings that are overdue or due within a week, by the service levels. */
import { useQuery } from "@tanstack/react-query";
import { client, load } from "../api/client";
import { useUrl } from "../url";
import { format, sum } from "./severity";

/** A sentence with links to the findings; nothing without service levels. */
export function DueSentence({ source, owner = [] }: { source: number[]; owner?: string[] }) {
  const url = useUrl();
  const due = useQuery({ queryKey: ["due", source, owner], queryFn: () => load(client.GET("/api/v1/findings/due", { params: { query: { source, owner } } })) });
  if (!due.data?.hasLevels) return null;
  const more = due.data.isComplete ? "" : "+";
  const parts = [
    ["overdue", sum(due.data.overdue), "findings are overdue"],
    ["week", sum(due.data.week), "are due within a week"],
  ] as const;
  return (
    <p>
      {parts.map(([value, count, words], index) => (
        <span key={value}>
          {index > 0 && " · "}
          {count ? (
            <a href={`/findings${url.with({ days: "", open: "", due: value })}`}>
              {format(count)}
              {more} {words}
            </a>
          ) : (
            <>{index === 0 ? "No findings are overdue" : `none ${words}`}</>
          )}
        </span>
      ))}
    </p>
  );
}
