import { writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';

// For `node --import`: writes the URL of every module that the process has loaded, one a line, to the file that
// RECORDED_IMPORTS names.
const file = process.env['RECORDED_IMPORTS'];
const urls = new Set<string>();
registerHooks({
  load: (url, context, next) => {
    urls.add(url);
    return next(url, context);
  },
});
process.on('exit', () => {
  if (file !== undefined) writeFileSync(file, [...urls].join('\n'));
});
