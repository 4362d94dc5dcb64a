/** https://www.alibabacloud.com/help/doc-detail/60949.htm: below 1025 only these, and https on 443 alone. */
const lowPorts: readonly number[] = [21, 70, 80, 210, 280, 443, 488, 591, 777];
const freePortsFrom = 1025;

/**
 * Why ACR could not call a receiver at `text`, the part of the webhook's URL before `/webhooks/acr/…`, with what to do;
 * undefined when it could.
 */
export function findWebhookUrlFault(text: string): string | undefined {
  if (!/^https?:\/\/[^\s?#@\\]+$/.test(text) || !URL.canParse(text)) {
    return 'is not the URL of a receiver; write https://HOST, with a path where a proxy adds one, without user name, query and fragment';
  }
  if (text.includes('/webhooks/')) {
    return 'holds the path of the webhook; write only what stands before /webhooks/acr/…, it and the token are added';
  }
  const { protocol, port } = new URL(text);
  if (protocol === 'https:') {
    return port === '' ? undefined : 'has a port that ACR does not call by https; it calls 443 alone';
  }
  const number = port === '' ? 80 : Number(port);
  if (lowPorts.includes(number) || number >= freePortsFrom) return undefined;
  return `has a port that ACR does not call; it calls ${lowPorts.join(', ')} and ${freePortsFrom} to 65535`;
}
