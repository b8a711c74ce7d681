"""Stands where Neutron would: there are no networks. Nova asks for them with each deletion of a server."""

import http.server
import json
import re


class Nothing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        path = self.path.split("?")[0].rstrip("/")
        found = re.fullmatch(r"(?:/networking)?/v2\.0/([a-z-]+)", path)
        if found:
            self.answer(200, {found.group(1).replace("-", "_"): []})
        elif re.fullmatch(r"/v2\.0/quotas/[^/]+(/details\.json)?", path):
            self.answer(200, {"quota": {}})
        elif path in ("", "/v2.0"):
            link = {"rel": "self", "href": "http://127.0.0.1:9696/v2.0/"}
            self.answer(200, {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]})
        else:
            self.answer(404, {"NeutronError": {"type": "NotFound", "message": path, "detail": ""}})

    def refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(409, {"NeutronError": {"type": "OverQuota", "message": "there are no networks", "detail": ""}})

    do_POST = do_PUT = do_DELETE = refuse

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 9696), Nothing).serve_forever()
