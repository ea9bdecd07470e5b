// The example job_queue beside a ruler: the turns of two handlers, one of which returns a promise.
const resolved = (text) => new Promise((resolve) => resolve(text));
const log = (text) => console.log(text);
resolved('first').then(log);
resolved('second').then((text) => {
  log(text);
  return resolved('third');
}).then(log);
Promise.resolve().then(() => log(1)).then(() => log(2)).then(() => log(3)).then(() => log(4)).then(() => log(5));
