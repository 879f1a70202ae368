// Draws the dashboard's charts. Every word and number comes from the page; colours from its custom properties.
(function () {
  "use strict";

  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const rtl = document.documentElement.dir === "rtl";
  const drawn = new Map();
  let printing = false;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function palette() {
    return ["--chart-1", "--chart-2", "--chart-3", "--chart-4"].map(colour);
  }

  function labelled(spec) {
    const words = new Map(spec.ticks.map((tick) => [tick[0], tick[1]]));
    // The library adds steps up, so a tick may be a hair beside its value.
    return (value) => words.get(value) ?? words.get(Math.round(value * 1e9) / 1e9) ?? "";
  }

  function axes(spec) {
    const text = { color: colour("--muted"), fontFamily: colour("--font") || "sans-serif", fontSize: 12 };
    const line = { lineStyle: { color: colour("--line-strong") } };
    const values = spec.ticks.map((tick) => tick[0]);
    const value = {
      type: "value",
      min: values[0],
      max: values[values.length - 1],
      interval: values.length > 1 ? Math.round((values[1] - values[0]) * 1e9) / 1e9 : undefined,
      axisLabel: { ...text, formatter: labelled(spec), hideOverlap: true },
      splitLine: { lineStyle: { color: colour("--line") } },
    };
    const names = {
      type: "category",
      data: spec.labels,
      axisLabel: { ...text, hideOverlap: true, width: spec.kind === "rows" ? 150 : undefined, overflow: spec.kind === "rows" ? "break" : "none", lineHeight: 15 },
      axisLine: line,
      axisTick: { show: false },
      boundaryGap: spec.kind !== "line",
    };
    if (spec.kind === "rows") {
      return {
        xAxis: { ...value, inverse: rtl },
        yAxis: { ...names, inverse: true, position: rtl ? "right" : "left" },
      };
    }
    return {
      xAxis: { ...names, inverse: rtl },
      yAxis: { ...value, position: rtl ? "right" : "left" },
    };
  }

  // An interval as an area: an unseen line at its lower end, and the distance to its upper end stacked on it.
  function band(one, place, tone) {
    const shared = { type: "line", stack: `band-${place}`, symbol: "none", silent: true, tooltip: { show: false }, lineStyle: { opacity: 0 }, z: 1, stackStrategy: "all" };
    return [
      { ...shared, name: "", data: one.band.map((pair) => (pair ? pair[0] : null)) },
      { ...shared, name: "", data: one.band.map((pair) => (pair ? pair[1] - pair[0] : null)), areaStyle: { color: tone, opacity: 0.18, decal: { symbol: "none" } } },
    ];
  }

  function lines(spec, tones) {
    const types = ["solid", "dashed", "dotted"];
    const symbols = ["circle", "rect", "triangle"];
    return spec.series.flatMap((one, place) => [
      ...(one.band.some((pair) => pair) ? band(one, place, tones[place]) : []),
      {
        type: "line",
        name: one.name,
        data: one.values,
        connectNulls: false,
        symbol: symbols[place],
        symbolSize: spec.small ? 4 : 7,
        showAllSymbol: one.values.length < 62,
        lineStyle: { width: 2, type: types[place], color: tones[place] },
        itemStyle: { color: tones[place] },
        z: 3,
      },
    ]);
  }

  function bars(spec, tones) {
    return spec.series.map((one, place) => ({
      type: "bar",
      name: one.name,
      data: one.values,
      stack: spec.stacked ? "all" : undefined,
      barMaxWidth: 34,
      itemStyle: { color: tones[place], borderRadius: 2 },
      label: {
        show: spec.kind === "rows" && !spec.stacked,
        position: rtl ? "left" : "right",
        color: colour("--text"),
        formatter: (item) => one.texts[item.dataIndex],
      },
    }));
  }

  function option(spec) {
    const tones = palette();
    const many = spec.series.length > 1;
    const byName = new Map(spec.series.map((one) => [one.name, one]));
    return {
      animation: !still.matches && !printing,
      animationDuration: 250,
      textStyle: { fontFamily: colour("--font") || "sans-serif" },
      // Patterns tell the bars of one kind from those of another; one kind alone needs none.
      aria: { enabled: true, label: { enabled: true, description: spec.label }, decal: { show: many && spec.kind !== "line" } },
      grid: { left: 8, right: spec.kind === "rows" ? 72 : 12, top: many ? 34 : 12, bottom: 8, containLabel: true },
      legend: many ? { data: spec.series.map((one) => one.name), top: 0, icon: spec.kind === "line" ? undefined : "rect", textStyle: { color: colour("--text") } } : undefined,
      tooltip: {
        trigger: "axis",
        // Plain text on the canvas: the other kind writes styles into the page, which its policy forbids.
        renderMode: "richText",
        confine: true,
        backgroundColor: colour("--panel"),
        borderColor: colour("--line-strong"),
        textStyle: { color: colour("--text"), fontSize: 13 },
        formatter: (items) => {
          const shown = items.filter((item) => byName.has(item.seriesName));
          if (!shown.length) return "";
          const at = shown[0].dataIndex;
          return [spec.labels[at], ...shown.map((item) => `${item.seriesName}: ${byName.get(item.seriesName).texts[at]}`)].join("\n");
        },
      },
      ...axes(spec),
      series: spec.kind === "line" ? lines(spec, tones) : bars(spec, tones),
    };
  }

  function draw(box) {
    let spec;
    try {
      spec = JSON.parse(box.dataset.chart);
    } catch {
      return;
    }
    box.hidden = false;
    if (box.classList.contains("chart-rows")) box.style.blockSize = `${Math.max(8, 3 + spec.labels.length * 2.25)}rem`;
    const chart = window.echarts.init(box, null, { renderer: "canvas" });
    chart.setOption(option(spec));
    // What the library calls it may say less than what the page does.
    box.setAttribute("aria-label", spec.label);
    if (spec.links.length) {
      chart.getZr().on("click", (event) => {
        const spot = [event.offsetX, event.offsetY];
        if (!chart.containPixel("grid", spot)) return;
        const place = chart.convertFromPixel("grid", spot)[spec.kind === "rows" ? 1 : 0];
        const link = spec.links[Math.round(place)];
        if (link) location.assign(link);
      });
      chart.getZr().on("mousemove", (event) => chart.getZr().setCursorStyle(chart.containPixel("grid", [event.offsetX, event.offsetY]) ? "pointer" : "default"));
    }
    drawn.set(box, { chart, spec });
  }

  function again() {
    drawn.forEach(({ chart, spec }, box) => {
      chart.resize();
      chart.setOption(option(spec), true);
      box.setAttribute("aria-label", spec.label);
    });
  }

  if (window.echarts) {
    document.querySelectorAll("[data-chart]").forEach(draw);
    const watcher = new ResizeObserver((entries) => entries.forEach((entry) => {
      const known = drawn.get(entry.target);
      if (known) known.chart.resize();
    }));
    drawn.forEach((_, box) => watcher.observe(box));
    dark.addEventListener("change", again);
    still.addEventListener("change", again);
  }

  // On paper everything is open, and drawn in the colours of paper.
  function paper(on) {
    if (printing === on) return;
    printing = on;
    document.documentElement.classList.toggle("on-paper", on);
    document.querySelectorAll("details.behind-chart").forEach((item) => {
      if (on && !item.open) {
        item.open = true;
        item.dataset.opened = "";
      } else if (!on && "opened" in item.dataset) {
        item.open = false;
        delete item.dataset.opened;
      }
    });
    again();
  }
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  matchMedia("print").addEventListener("change", (event) => paper(event.matches));
  document.querySelectorAll("[data-print]").forEach((button) => {
    button.hidden = false;
    button.addEventListener("click", () => print());
  });

  // A named period and two days exclude each other.
  const form = document.querySelector("form[data-filters]");
  if (form) {
    const days = [form.elements.from, form.elements.to];
    form.elements.period.addEventListener("change", () => {
      if (form.elements.period.value) days.forEach((day) => (day.value = ""));
      else days[0].focus();
    });
    days.forEach((day) => day.addEventListener("change", () => (form.elements.period.value = "")));
    form.addEventListener("submit", () => {
      // A short address: what is empty says nothing.
      Array.from(form.elements).forEach((field) => {
        if (field.name && !field.value) field.disabled = true;
      });
    });
    addEventListener("pageshow", () => Array.from(form.elements).forEach((field) => (field.disabled = false)));
    // One list of values open at a time; Escape and a click elsewhere close it.
    const lists = Array.from(form.querySelectorAll("details.pick-many"));
    lists.forEach((list) => list.addEventListener("toggle", () => {
      if (list.open) lists.forEach((other) => other !== list && (other.open = false));
    }));
    document.addEventListener("click", (event) => lists.forEach((list) => list.contains(event.target) || (list.open = false)));
    form.addEventListener("keydown", (event) => {
      const list = event.key === "Escape" && event.target.closest("details.pick-many[open]");
      if (list) {
        list.open = false;
        list.querySelector("summary").focus();
      }
    });
  }
})();
