#!/usr/bin/env node
// Nothing is imported before the version is known: the libraries below do not load on an old Node.
const nodeMajorLeast = 24;
const nodeMajor = Number.parseInt(process.versions.node, 10);

if (nodeMajor < nodeMajorLeast) {
  process.stderr.write(
    `autosign needs Node.js ${nodeMajorLeast} or newer; this is ${process.versions.node} (${process.execPath}). ` +
      'Install a newer Node.js, or start it with "npm run autosign -- …" in the project, which brings its own.\n',
  );
  process.exitCode = 2;
} else {
  const { runProgram } = await import('./commands/program.ts');
  await runProgram(process.argv);
}

export {};
