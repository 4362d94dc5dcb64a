import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { findProgram } from '../../infra/processes/find-program.ts';

/** A tab of its own browser profile, and all that it complained of. */
interface Tab {
  readonly page: Page;
  /** Scripts that failed, requests and styles that the page's policy refused, dialogs. */
  readonly complaints: string[];
}

export interface RealBrowser {
  tab(options?: BrowserContextOptions): Promise<Tab>;
  stop(): Promise<void>;
}

// Where `npm run screenshots` wants them; else they are not kept.
const screenshots = process.env['AUTOSIGN_SCREENSHOTS'];

/** Starts Debian's chromium. It sees loopback only: whatever asks for another host fails and is complained of. */
export async function startBrowser(): Promise<RealBrowser> {
  const executablePath = findProgram('chromium', process.env['PATH'] ?? '');
  if (executablePath === undefined) throw new Error('chromium must be installed: sudo apt-get install chromium');
  // Chromium's own sandbox does not start as root, which CI is; it opens our pages only.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const args = [...sandbox, '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'];
  const browser: Browser = await chromium.launch({ executablePath, args });
  return {
    tab: async (options = {}) => {
      const context = await browser.newContext({ viewport: { width: 1200, height: 860 }, ...options });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
      });
      page.on('dialog', (dialog) => {
        complaints.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      return { page, complaints };
    },
    stop: () => browser.close(),
  };
}

/** Keeps what the tab shows for the README, when somebody asked for it. */
export async function shoot(page: Page, name: string): Promise<void> {
  if (screenshots === undefined) return;
  await mkdir(screenshots, { recursive: true });
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}
