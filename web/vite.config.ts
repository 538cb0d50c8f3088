import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server serves the built files, `kubekeep server` on its usual port is the back end of `npm run dev`.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "../server/src/kubekeep_server/static",
    emptyOutDir: true,
    // Data URLs are refused by the content security policy but for images.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
  },
  test: { include: ["src/**/*.test.ts"], expect: { requireAssertions: true } },
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
