-- title: Coverage, by five minutes
-- about: Packets seen and lost, flows, and the shares named, with a person and with a timetable: in steps of five minutes up to two weeks, of an hour up to a hundred days, else of a day; a step without a row was not observed.
-- parameters: school String, from Date, to Date
SELECT
    toDateTime(intDiv(toUInt32(c.start), step) * step, 'UTC') AS time,
    sumIf(c.value, c.metric = 'packets') AS packets,
    sumIf(c.value, c.metric IN ('ring_drops', 'nic_drops')) AS lost,
    sumIf(c.value, c.metric = 'slices') AS slices,
    sumIf(c.value, c.metric = 'flows') AS flows,
    sumIf(c.value, c.metric = 'flows_named') AS flows_named,
    sumIf(c.value, c.metric IN ('flows_ech', 'flows_doh', 'flows_dot', 'flows_doq', 'flows_vpn')) AS flows_hidden,
    sumIf(c.value, c.metric = 'minutes_use') AS minutes_use,
    sumIf(c.value, c.metric = 'minutes_person') AS minutes_person,
    sumIf(c.value, c.metric = 'minutes_timetabled') AS minutes_timetabled,
    if(flows > 0, flows_named / flows, NULL) AS named_share,
    if(minutes_use > 0, minutes_person / minutes_use, NULL) AS person_share,
    if(minutes_person > 0, minutes_timetabled / minutes_person, NULL) AS timetabled_share
FROM
(
    SELECT
        if({to:Date} - {from:Date} < 14, 300, if({to:Date} - {from:Date} < 100, 3600, 86400)) AS step,
        s.start AS start,
        s.metric AS metric,
        s.value AS value
    FROM schoolgate.coverage AS s
    WHERE s.school = {school:String} AND s.day >= {from:Date} AND s.day <= {to:Date}
        AND s.metric IN (
            'packets', 'ring_drops', 'nic_drops', 'slices', 'flows', 'flows_named', 'flows_ech', 'flows_doh',
            'flows_dot', 'flows_doq', 'flows_vpn', 'minutes_use', 'minutes_person', 'minutes_timetabled'
        )
) AS c
GROUP BY time
ORDER BY time
