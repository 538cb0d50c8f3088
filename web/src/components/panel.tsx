/** A panel beside a list, with the open row. It gets the focus, and gives it back to the row when it closes. */
import { useEffect, useRef, type ReactNode } from "react";
import { onKey } from "../keys";

export function Panel({ title, rowKey, onClose, children }: { title: ReactNode; rowKey: string; onClose: () => void; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    heading.current?.focus();
    const end = onKey("Escape", () => close.current());
    return () => {
      end();
      document.querySelector<HTMLElement>(`a[data-row="${CSS.escape(rowKey)}"]`)?.focus();
    };
  }, [rowKey]);
  return (
    <aside className="kk-panel" aria-label="Details">
      <div className="kk-panel-header">
        <h2 ref={heading} tabIndex={-1} className="pf-v6-c-title pf-m-lg">
          {title}
        </h2>
        <button type="button" className="pf-v6-c-button pf-m-plain" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </div>
      <div className="kk-panel-body" tabIndex={0}>{children}</div>
    </aside>
  );
}
