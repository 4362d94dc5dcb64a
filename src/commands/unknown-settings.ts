import { nearestName } from '../rules/nearest-name.ts';

const prefix = 'AUTOSIGN_';
// For a Service named "autosign…" Kubernetes sets AUTOSIGN_SERVICE_HOST, AUTOSIGN_PORT, AUTOSIGN_PORT_8080_TCP, …
// https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables
const serviceLinkPattern = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT(?:_\d+_(?:TCP|UDP|SCTP)|$)/;

/** A line for each variable that looks like a setting and is none: a slip in a name would otherwise do nothing. */
export function unknownSettings(environment: NodeJS.ProcessEnv, known: readonly string[]): readonly string[] {
  const names = Object.keys(environment).filter((name) => name.startsWith(prefix) && !known.includes(name));
  return names.sort().map((name) => `${name}: ${adviceFor(name, known)}`);
}

function adviceFor(name: string, known: readonly string[]): string {
  if (serviceLinkPattern.test(name)) {
    return 'there is no such setting; where Kubernetes set it, turn that off with "enableServiceLinks: false" in the pod';
  }
  const nearest = nearestName(
    name.slice(prefix.length),
    known.map((other) => other.slice(prefix.length)),
  );
  return nearest === undefined
    ? `there is no such setting; variables of your own must not begin with ${prefix}`
    : `there is no such setting; did you mean ${prefix}${nearest}?`;
}
