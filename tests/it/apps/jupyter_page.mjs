// A page of a Jupyter server: jupyter_page.mjs URL TOKEN. It logs in, starts a kernel, runs a cell over the
// kernel's WebSocket, as notebooks do, and prints what came of it.

import { inPage } from "./browser.mjs";

const [url, token] = process.argv.slice(2);
const CODE = "import sys\nfor n in range(3): print(n, 'from the kernel')\nprint('x' * 500_000, file=sys.stderr)\n6 * 7";

await inPage(async (page) => {
  // From here on there is a cookie. With the token itself Jupyter would not look at where requests come from.
  await page.goto(`${url}/login?token=${token}`);
  return page.evaluate(async (code) => {
    const xsrf = document.cookie.split("; ").find((cookie) => cookie.startsWith("_xsrf="));
    const api = async (method, path, body) => {
      const headers = { "X-XSRFToken": xsrf.slice("_xsrf=".length) };
      const response = await fetch(`/api/${path}`, { method, headers, body: body && JSON.stringify(body) });
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
      return response.status === 204 ? null : response.json();
    };
    const kernel = await api("POST", "kernels", { name: "python3" });
    const session = crypto.randomUUID();
    const socket = new WebSocket(`wss://${location.host}/api/kernels/${kernel.id}/channels?session_id=${session}`);
    const message = (channel, type, content) => ({
      header: { msg_id: crypto.randomUUID(), username: "", session, date: new Date().toISOString(), msg_type: type, version: "5.3" },
      parent_header: {}, metadata: {}, buffers: [], channel, content,
    });
    const request = message("shell", "execute_request", {
      code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false, stop_on_error: true,
    });
    const seen = { stdout: "", stderr: 0 };
    await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify(request));
      socket.onerror = () => reject(new Error("the WebSocket failed"));
      socket.onclose = ({ code }) => reject(new Error(`the WebSocket was closed: ${code}`));
      socket.onmessage = ({ data }) => {
        const { parent_header, header, content } = JSON.parse(data);
        if (parent_header.msg_id !== request.header.msg_id) return;
        if (header.msg_type === "stream" && content.name === "stdout") seen.stdout += content.text;
        if (header.msg_type === "stream" && content.name === "stderr") seen.stderr += content.text.length;
        if (header.msg_type === "execute_result") seen.result = content.data["text/plain"];
        if (header.msg_type === "execute_reply") seen.status = content.status;
        if (header.msg_type === "status" && content.execution_state === "idle") seen.idle = true;
        if (seen.idle && seen.status) resolve();
      };
    });
    const closed = new Promise((resolve) => (socket.onclose = ({ code, wasClean }) => resolve([code, wasClean])));
    socket.close(1000);
    seen.closed = await closed;
    await api("DELETE", `kernels/${kernel.id}`);
    return seen;
  }, CODE);
});
