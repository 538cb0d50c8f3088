/** Names that wrap after their slashes, long ones, which are cut in the middle because their end identifies them, and texts to copy. */
import { Fragment, useState } from "react";

const TAIL = 14;

export function Name({ text }: { text: string }) {
  if (text.length <= 3 * TAIL)
    return (
      <span className="kk-name">
        <Wrapped text={text} />
      </span>
    );
  return (
    <span className="kk-name kk-cut" title={text}>
      <span className="kk-head">{text.slice(0, -TAIL)}</span>
      <span>{text.slice(-TAIL)}</span>
    </span>
  );
}

/** Text that a line ends after a slash of rather than within a word. */
export function Wrapped({ text }: { text: string }) {
  return (
    <>
      {text.split(/(?<=\/)/).map((part, index) => (
        <Fragment key={index}>
          {part}
          <wbr />
        </Fragment>
      ))}
    </>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 2_000);
  };
  return (
    <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={() => void copy()}>
      <span role="status">{isCopied ? "Copied" : label}</span>
    </button>
  );
}

/** A command or another text in a line of its own, with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <div className="kk-command">
      <code>{text}</code>
      <Copy text={text} />
    </div>
  );
}

/** Text with code between backticks, as in controls. */
export function Prose({ text }: { text: string }) {
  return (
    <>
      {text.split("`").map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))}
    </>
  );
}
