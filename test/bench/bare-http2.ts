/** The yardstick: node:http2 over TLS with one answer in memory and nothing in between. Arguments: port, body, directory. */
import { readFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { join } from 'node:path';

const [port, bodyFile, directory] = process.argv.slice(2);
const body = readFileSync(bodyFile!);
const server = createSecureServer({
  allowHTTP1: true,
  cert: readFileSync(join(directory!, 'certs', 'apiserver.crt')),
  key: readFileSync(join(directory!, 'certs', 'apiserver.key')),
});
server.on('stream', (stream: ServerHttp2Stream) => {
  stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': body.length });
  stream.end(body);
});
server.on('request', (req, res) => {
  if (req.httpVersionMajor === 1) res.end(body);
});
server.listen(Number(port), '127.0.0.1');
