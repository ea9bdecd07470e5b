// Runs a case in a fresh Node process and returns the trace it prints.
//
// A fresh process each time, because 'beforeExit' and 'exit' are part of a trace.
// This never compares traces and never writes files.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const INTERPRETER = fileURLToPath(new URL('interpret.cjs', import.meta.url));
// No program comes near it; one that does is hanging.
const LONGEST_RUN = 15000;

// Resolves with { trace } (a list), or { failure } (a text) if there is none.
// `extra` are further arguments of interpret.cjs.
export function runInNode(caseFile, extra = []) {
  return new Promise((resolve) => {
    // An empty environment: certificates named there make Node start twice as slowly,
    // and NODE_OPTIONS could change the loop.
    const child = spawn(process.execPath, [INTERPRETER, caseFile, ...extra], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {},
    });
    let output = '';
    let errors = '';
    let late = false;
    child.stdout.setEncoding('utf8').on('data', (text) => { output += text; });
    child.stderr.setEncoding('utf8').on('data', (text) => { errors += text; });
    const limit = setTimeout(() => { late = true; child.kill('SIGKILL'); }, LONGEST_RUN);
    child.on('error', (error) => resolve({ failure: String(error) }));
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (late) resolve({ failure: 'did not end' });
      else if (code !== 0 || output === '') {
        resolve({ failure: `ended with ${signal ?? code}: ${errors.slice(0, 2000)}` });
      } else resolve({ trace: JSON.parse(output) });
    });
  });
}
