// R65: listeners of `exit` run in the context in which the child was started.
const { spawn } = require('child_process');
const { AsyncLocalStorage } = require('async_hooks');
const storage = new AsyncLocalStorage();
const child = storage.run('start', () => spawn('true', { stdio: 'ignore' }));
storage.run('listen', () => child.on('exit', () => console.log(storage.getStore())));
