/** Links of a decision to tickets and pull requests, which other sites have. */
import { Name } from "../../components/text";

export function Links({ links }: { links: readonly string[] }) {
  return (
    <ul className="kk-links">
      {links.map((link) => (
        <li key={link}>
          <a href={link} target="_blank" rel="noopener noreferrer">
            <Name text={link.replace(/^https?:\/\//, "")} />
          </a>
        </li>
      ))}
    </ul>
  );
}
