import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface CosignVerdict {
  readonly ok: boolean;
  /** cosign's own words. */
  readonly text: string;
}

export interface Cosign {
  /** `cosign verify --key`, of `host/repository:tag` or `host/repository@sha256:…`; nothing but the registry is asked. */
  verify(reference: string, publicKeyFile: string): Promise<CosignVerdict>;
  /** `cosign sign --key` with a new key, as somebody else does. @returns the path of the public key */
  signAsStranger(reference: string, name: string): Promise<string>;
}

const timeoutMs = 60_000;
/** Trusts nobody, which a key does not need; without any cosign asks Sigstore's own servers for one. */
const trustedRoot = {
  mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  tlogs: [],
  certificateAuthorities: [],
  ctlogs: [],
  timestampAuthorities: [],
};

/**
 * The real cosign (`inject('cosignPath')`).
 * @param directory where it keeps what it writes, and finds no configuration of whoever runs the tests
 */
export function cosignAt(program: string, directory: string): Cosign {
  const run = async (cwd: string, ...args: string[]) => {
    const env = { PATH: process.env['PATH'], HOME: directory, COSIGN_PASSWORD: '' };
    await mkdir(cwd, { recursive: true });
    return await promisify(execFile)(program, args, { cwd, env, timeout: timeoutMs });
  };
  return {
    verify: async (reference, publicKeyFile) => {
      const rootFile = join(directory, 'trusted-root.json');
      await writeFile(rootFile, JSON.stringify(trustedRoot));
      const offline = ['--insecure-ignore-tlog', '--trusted-root', rootFile];
      const options = ['--key', publicKeyFile, '--allow-http-registry', ...offline];
      try {
        const { stderr } = await run(directory, 'verify', ...options, reference);
        return { ok: true, text: stderr };
      } catch (error) {
        return { ok: false, text: String(error) };
      }
    },
    signAsStranger: async (reference, name) => {
      const cwd = join(directory, name);
      await run(cwd, 'generate-key-pair');
      const options = ['--yes', '--key', 'cosign.key', '--tlog-upload=false', '--allow-http-registry'];
      await run(cwd, 'sign', ...options, reference);
      return join(cwd, 'cosign.pub');
    },
  };
}
