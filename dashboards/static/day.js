// Draws the day chart: stacked bars by outcome over the bell periods, from /day.json. Times are the school's own.
"use strict";

(async () => {
  const box = document.getElementById("chart");
  const readout = document.getElementById("readout");
  if (!box) return;
  const caption = readout.textContent;
  let day, sums, top;

  async function load() {
    const answer = await fetch(box.dataset.source).catch(() => ({ ok: false }));
    if (!answer.ok) {
      readout.textContent = box.dataset.failed;
      return false;
    }
    day = await answer.json();
    // uPlot draws each series from zero, so the tallest sum comes first and the ones below it are painted over it.
    sums = [];
    day.series.forEach((s, i) => sums.push(s.minutes.map((m, t) => m + (i ? sums[i - 1][t] : 0))));
    top = Math.max(5, ...sums.at(-1));
    return Boolean(day.span);
  }

  if (!await load()) return;
  const css = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: day.zone });
  const at = seconds => clock.format(new Date(seconds * 1000));
  const font = '12px system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

  function ticks(most) {
    let step = 1;
    for (let i = 0; top / step > most; i++) step = [2, 5, 10][i % 3] * 10 ** Math.floor(i / 3);
    return Array.from({ length: Math.floor(top / step) }, (_, i) => (i + 1) * step);
  }

  let plot = null;

  function bands(u) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio || 1;
    const x = seconds => Math.round(u.valToPos(seconds, "x", true));
    ctx.save();
    ctx.font = font.replace("12px", 12 * ratio + "px");
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    for (const band of day.bands) {
      const from = x(band.from), width = x(band.to) - from - ratio;
      ctx.fillStyle = css(band.open ? "open" : "band");
      ctx.fillRect(from, bbox.top, width, bbox.height);
      ctx.fillStyle = css("soft");
      const label = [band.label, band.label.slice(0, 1)].find(l => ctx.measureText(l).width <= width + 6 * ratio);
      if (label) ctx.fillText(label, from + width / 2, bbox.top + 5 * ratio);
    }
    ctx.strokeStyle = css("gap");
    ctx.lineWidth = ratio;
    for (const [from, to] of day.gaps) {
      ctx.save();
      ctx.beginPath();
      ctx.rect(x(from), bbox.top + 22 * ratio, x(to) - x(from), bbox.height - 22 * ratio);
      ctx.clip();
      ctx.beginPath();
      for (let s = x(from) - bbox.height; s < x(to); s += 6 * ratio) {
        ctx.moveTo(s, bbox.top + bbox.height);
        ctx.lineTo(s + bbox.height, bbox.top);
      }
      ctx.stroke();
      ctx.restore();
    }
    ctx.restore();
  }

  function nowLine(u) {
    if (!day.now || day.now < day.span[0] || day.now > day.span[1]) return;
    const { ctx, bbox } = u;
    const x = Math.round(u.valToPos(day.now, "x", true));
    ctx.save();
    ctx.strokeStyle = css("accent");
    ctx.lineWidth = devicePixelRatio || 1;
    ctx.setLineDash([3 * ctx.lineWidth, 3 * ctx.lineWidth]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  }

  function point(u) {
    const i = u.cursor.idx;
    if (i == null) {
      readout.textContent = caption;
      return;
    }
    const from = day.time[i];
    const band = day.bands.find(b => b.from <= from && from < b.to);
    const parts = day.series.filter(s => s.minutes[i]).map(s => `${s.label.toLowerCase()} ${s.minutes[i]} ${day.words.unit}`);
    const where = band ? `, ${band.label}` : "";
    const unseen = day.gaps.some(([a, b]) => a <= from && from < b);
    readout.textContent = `${at(from)}–${at(from + 300)}${where}: ${parts.join(", ") || (unseen ? day.words.unseen : day.words.none)}`;
  }

  function draw() {
    if (plot) plot.destroy();
    const axis = { stroke: css("soft"), font, ticks: { show: false } };
    const bars = uPlot.paths.bars({ size: [0.82, 24], align: 1 });
    const series = day.series.map(s => ({ label: s.label, fill: css(s.outcome), width: 0, paths: bars, points: { show: false } }));
    plot = new uPlot({
      width: box.clientWidth,
      height: box.clientHeight,
      padding: [4, 8, 0, 0],
      legend: { show: false },
      tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), day.zone),
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { range: () => day.span }, y: { range: () => [0, top * 1.14] } },
      axes: [
        { ...axis, grid: { show: false }, space: 56, incrs: [3600, 7200, 10800], values: (u, at_) => at_.map(at), size: 28 },
        {
          ...axis, grid: { stroke: css("line"), width: 1 }, size: 56, splits: () => ticks(4),
          values: (u, splits) => splits.map((v, i) => (i === splits.length - 1 ? `${v} ${day.words.unit}` : v)),
        },
      ],
      series: [{}, ...series.slice().reverse()],
      hooks: { drawClear: [bands], draw: [nowLine], setCursor: [point] },
    }, [day.time, ...sums.slice().reverse()], box);
    box.dataset.drawn = String(day.time.length);
    box.dataset.minutes = String(sums.at(-1).reduce((a, b) => a + b, 0));
  }

  draw();
  document.addEventListener("renewed", async () => await load() && draw());
  new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: box.clientHeight })).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
