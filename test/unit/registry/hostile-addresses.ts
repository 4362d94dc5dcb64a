/** The token service that a registry of these tests may name. */
export const goodRealm = 'https://dockerauth.cn-hangzhou.aliyuncs.com/auth';
const good = 'dockerauth.cn-hangzhou.aliyuncs.com';

/** Hosts that are not Container Registry's, however much they look like it. */
const hosts = [
  'evil.example',
  'evil.example.',
  `${good}.evil.example`,
  `${good}.`,
  `x.${good}`,
  `evil-${good}`,
  `evil${good}`,
  `${good}.cn`,
  `${good}m`,
  'dockerauth.cn-hangzhou.aliyuncs.co',
  'dockerauth.cn-hangzhou-aliyuncs.com',
  'dockerauth.cn-nowhere-9.aliyuncs.com',
  'dockerauth.oss-cn-hangzhou.aliyuncs.com',
  'dockerauth-x.cn-hangzhou.aliyuncs.com',
  'dockerauth-eee.cn-hangzhou.aliyuncs.com',
  'dockerauth_ee.cn-hangzhou.aliyuncs.com',
  'dockerauth..cn-hangzhou.aliyuncs.com',
  'dockerauth.cn-hangzhou.fc.aliyuncs.com',
  'dockerauth.cn-hangzhou.oss.aliyuncs.com',
  'x.oss-cn-hangzhou.aliyuncs.com',
  '1.cn-hangzhou.fc.aliyuncs.com',
  'evil-eventbridge.oss-accelerate.aliyuncs.com',
  'registry.cn-hangzhou.aliyuncs.com',
  'prod-registry.cn-shanghai.cr.aliyuncs.com',
  'evil-registry.cn-hangzhou.cr.aliyuncs.com',
  'aliyuncs.com',
  // Cyrillic letters, their punycode, full-width letters and dots, an ideographic dot.
  'dоckerauth.cn-hangzhou.aliyuncs.com',
  'xn--dckerauth-22h.cn-hangzhou.aliyuncs.com',
  'dockerauth.cn-hangzhou.аliyuncs.com',
  'ｄockerauth.cn-hangzhou.aliyuncs.com',
  'dockerauth.cn-hangzhou。aliyuncs.com',
  'dockerauth%2ecn-hangzhou.aliyuncs.com',
  'DOCKERAUTH.CN-HANGZHOU.ALIYUNCS.COM',
  // This machine, the network around it, and what clouds keep there.
  'localhost',
  'a.localhost',
  '127.0.0.1',
  '127.1',
  '0x7f000001',
  '2130706433',
  '0.0.0.0',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.1.1',
  '100.64.0.1',
  '100.100.100.200',
  '169.254.169.254',
  '8.8.8.8',
  '[::1]',
  '[::]',
  '[fe80::1]',
  '[fd00::1]',
  '[::ffff:127.0.0.1]',
  '[::ffff:169.254.169.254]',
  '[64:ff9b::7f00:1]',
  '[2400:3200::1]',
];

/** Ways to write an address, among them those that parsers read differently. */
const forms: readonly ((host: string) => string)[] = [
  (host) => `https://${host}/auth`,
  (host) => `http://${host}/auth`,
  (host) => `https://${host}:8443/auth`,
  (host) => `https://robot@${host}/auth`,
  (host) => `https://${good}@${host}/auth`,
  (host) => `https://${good}:443@${host}/auth`,
  (host) => `https://${host}\\@${good}/auth`,
  (host) => `https://${host}#@${good}/auth`,
  (host) => `https://${host}?@${good}/auth`,
  (host) => `//${host}/auth`,
  (host) => `https:/\\${host}/auth`,
];

/** Ways to write the good host that make something else of it, or may. */
const twisted = [
  `http://${good}/auth`,
  `https://${good}:443/auth`,
  `https://${good}:8443/auth`,
  `https://@${good}/auth`,
  `https://robot:secret@${good}/auth`,
  `HTTPS://${good}/auth`,
  `https:${good}/auth`,
  `https:///${good}/auth`,
  `https:\\\\${good}\\auth`,
  `https://${good}/auth?next=https://evil.example/`,
  `https://${good}/auth#evil`,
  `https://${good}/../auth`,
  ` https://${good}/auth`,
  `https://${good}\t/auth`,
  `https://${good}/auth https://evil.example/`,
  `ftp://${good}/auth`,
  `javascript:fetch('https://evil.example')`,
  'https://',
  'auth',
  '',
];

const written = hosts.flatMap((host) => forms.map((form) => form(host)));

/** Addresses that a registry may point to and that are not its own. */
export const hostileAddresses: readonly string[] = written;

/** Likewise, for a realm: there even the right host must be written in one way. */
export const hostileRealms: readonly string[] = [...written, ...twisted];
