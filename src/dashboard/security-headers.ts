import type { FastifyHelmetOptions } from '@fastify/helmet';

const common: FastifyHelmetOptions = {
  xFrameOptions: { action: 'deny' },
  // With "no-referrer" browsers would say "Origin: null" when a form is sent.
  referrerPolicy: { policy: 'same-origin' },
  // Whoever speaks TLS in front of us decides on this.
  strictTransportSecurity: false,
};

const nothingElse = {
  defaultSrc: ["'none'"],
  frameAncestors: ["'none'"],
  formAction: ["'self'"],
  objectSrc: ["'none'"],
};

/** Headers of our pages: what they load comes from here, and no script or style stands in a page. */
export const pageHeaders: FastifyHelmetOptions = {
  ...common,
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      ...nothingElse,
      baseUri: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      connectSrc: ["'self'"],
    },
  },
};

/**
 * Headers of bull-board's page: it has a `<base>`, writes styles into its elements, and draws with data URLs. Its fonts
 * would come from another host; they are refused, and the browser takes its own.
 */
export const boardHeaders: FastifyHelmetOptions = {
  ...common,
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      ...nothingElse,
      baseUri: ["'self'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      fontSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
    },
  },
};
