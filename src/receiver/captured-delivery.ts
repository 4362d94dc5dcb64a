import type { FastifyRequest } from 'fastify';
import type { CapturedDelivery, SignedForm } from '../ports/delivery-capture.ts';

interface DeliveryDetails {
  readonly door: CapturedDelivery['door'];
  readonly body: string;
  /** What the delivery proves itself by: it stands in no copy, wherever else a proxy has written it. */
  readonly token: string;
  readonly signedForm?: SignedForm | undefined;
}

const bodyLengthMax = 16 * 1024;
const headerLengthMax = 200;
const headersMax = 60;

/** Their values say how a delivery is made; of all others that sound like a secret only the length is kept. */
const harmless: ReadonlySet<string> = new Set([
  'x-eventbridge-signature-timestamp',
  'x-eventbridge-signature-version',
  'x-eventbridge-signature-url',
]);
const mayBeSecret = /token|signature|secret|auth|cookie|credential|password|key/;

/** Says what can be shown of a delivery when somebody asks; the time of arrival is now. */
export function deliveryReader(request: FastifyRequest, details: DeliveryDetails): () => CapturedDelivery {
  const arrivedAt = new Date().toISOString();
  return () => {
    const { door, body, token, signedForm } = details;
    const hide = (text: string) => hideToken(text, token);
    return {
      door,
      arrivedAt,
      from: request.ip,
      path: hide(request.url),
      headers: headersOf(request, hide),
      body: hide(body).slice(0, bodyLengthMax),
      signedForm,
    };
  };
}

function headersOf({ headers }: FastifyRequest, hide: (text: string) => string): Record<string, string> {
  const entries = Object.entries(headers).slice(0, headersMax);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const text = hide(String(value));
      const shown = mayBeSecret.test(name) && !harmless.has(name) ? `(${text.length} characters)` : text;
      return [name, shown.slice(0, headerLengthMax)];
    }),
  );
}

function hideToken(text: string, token: string): string {
  return text.replaceAll(token, '…').replaceAll(encodeURIComponent(token), '…');
}
