import { Agent } from 'undici';
import { acrEventBody } from '../support/acr-event.ts';
import type { BenchImage } from './push-images.ts';
import { sideBySide } from './side-by-side.ts';

// What ACR posts at once is not known; more would measure the poster.
const atOnce = 16;

export interface EventPoster {
  /** @throws Error for any other answer than 202 */
  post(image: BenchImage): Promise<void>;
  /** As fast as the receiver takes them. */
  postAll(images: readonly BenchImage[]): Promise<void>;
  stop(): Promise<void>;
}

/** Posts events over kept connections. */
export function createEventPoster(webhookUrl: string): EventPoster {
  const agent = new Agent({ connections: atOnce });
  const { origin, pathname } = new URL(webhookUrl);
  const post = async (image: BenchImage) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await agent.request({ origin, path: pathname, method: 'POST', headers, body: acrEventBody(image) });
    await answer.body.dump();
    if (answer.statusCode !== 202) throw new Error(`the receiver answered ${answer.statusCode}`);
  };
  return {
    post,
    postAll: async (images) => {
      await sideBySide(images, atOnce, post);
    },
    stop: () => agent.close(),
  };
}
