import { Agent, type Dispatcher } from 'undici';
import { type Received, type Script, startScriptedServer } from './scripted-server.ts';

export interface RecordedInternet extends AsyncDisposable {
  /** Gives every origin that a script plays its server, and all others the recorder. */
  readonly dispatcher: Dispatcher;
  /** What came to origins that nobody plays, with the origin that was meant. */
  readonly strangers: readonly (Received & { readonly origin: string })[];
}

const originHeader = 'x-meant-origin';

/**
 * The whole internet on loopback: `parts` play the origins that they name, and whoever else is asked for anything, over
 * http or https, by name or address, is a recorder that takes everything down and answers 200.
 */
export async function startRecordedInternet(parts: Readonly<Record<string, Script>>): Promise<RecordedInternet> {
  const strangers: (Received & { readonly origin: string })[] = [];
  await using started = new AsyncDisposableStack();
  const recorder = started.use(
    await startScriptedServer((received) => {
      strangers.push({ ...received, origin: String(received.headers[originHeader]) });
      return { body: '{"token":"from-a-stranger","tags":[]}' };
    }),
  );
  const servers = new Map<string, string>();
  for (const [origin, script] of Object.entries(parts)) {
    servers.set(origin, started.use(await startScriptedServer(script)).origin);
  }
  const agent = started.adopt(new Agent(), (open) => open.close());
  const dispatcher = agent.compose((dispatch) => (options, handler) => {
    const origin = String(options.origin);
    const headers = { ...(options.headers as Record<string, string>), [originHeader]: origin };
    return dispatch({ ...options, origin: servers.get(origin) ?? recorder.origin, headers }, handler);
  });
  const all = started.move();
  return { dispatcher, strangers, [Symbol.asyncDispose]: () => all.disposeAsync() };
}
