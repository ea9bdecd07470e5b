// R55: there is no drain after a pending callback that throws; what it queued is drained after the
// next one. The callbacks of `net` only queue ticks, so this probe calls the binding below it.
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
process.removeAllListeners('warning');
process.on('warning', () => {});
const { Pipe, PipeConnectWrap, constants } = process.binding('pipe_wrap');
process.on('uncaughtException', (e) => console.log('uncaught', e));
for (const name of ['A', 'B', 'C']) {
  const pipe = new Pipe(constants.SOCKET);
  const request = new PipeConnectWrap();
  request.oncomplete = () => {
    console.log('pending', name);
    process.nextTick(() => console.log('tick of', name));
    pipe.close();
    if (name !== 'B') throw name;
  };
  pipe.connect(request, '/nonexistent/socket');
}
require('fs').stat('.', () => console.log('poll'));
wait(50);
